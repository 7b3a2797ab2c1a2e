// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {Enum} from "@safe-global/safe-smart-account/contracts/libraries/Enum.sol";
import {IVaultExit} from "contracts/interfaces/IVaultExit.sol";
import {SafeConfiguration} from "contracts/libraries/SafeConfiguration.sol";
import {ExitFixture} from "tests/contracts/fixtures/ExitFixture.sol";
import {FrozenGuard} from "tests/contracts/fixtures/FrozenGuard.sol";

/// What a Safe is asked, answered by something that is none.
contract CrookedSafe {
    IVaultExit private immutable EXIT;
    uint256 public failsAt;
    bool public callsBack;
    uint256 public calls;
    bytes public answer;

    constructor(IVaultExit exit) {
        EXIT = exit;
    }

    function failAt(uint256 call) external {
        failsAt = call;
        calls = 0;
    }

    function callBack() external {
        callsBack = true;
    }

    function getThreshold() external pure returns (uint256) {
        return 1;
    }

    function checkNSignatures(address, bytes32, bytes calldata, uint256) external pure {}

    function execTransactionFromModule(address, uint256, bytes calldata, Enum.Operation)
        external
        returns (bool)
    {
        if (callsBack) {
            (, answer) = address(EXIT).call(abi.encodeCall(IVaultExit.leave, (address(this))));
        }
        return ++calls != failsAt;
    }
}

contract ExitLeaveTest is ExitFixture {
    function testFuzz_AnybodyEndsItAfterTheDelay(address caller, uint256 later) public {
        _announce();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY + bound(later, 0, 1000 days));
        vm.expectEmit(address(exit));
        emit IVaultExit.VaultLeft(address(safe), 1);
        vm.prank(caller);
        exit.leave(address(safe));
        _expectGuards(address(0));
        _expectPending(1, 0);
    }

    function testFuzz_NobodyEndsItBefore(address caller, uint256 later) public {
        _announce();
        uint256 usableFrom = vm.getBlockTimestamp() + EXIT_DELAY;
        vm.warp(vm.getBlockTimestamp() + bound(later, 0, EXIT_DELAY - 1));
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(
                IVaultExit.VaultExit_TooEarly.selector, usableFrom, vm.getBlockTimestamp()
            )
        );
        exit.leave(address(safe));
        _expectGuards(address(frozen));
    }

    function test_ItEndsInTheFirstSecondAfterTheDelay() public {
        _announce();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY - 1);
        vm.expectRevert();
        exit.leave(address(safe));
        vm.warp(vm.getBlockTimestamp() + 1);
        exit.leave(address(safe));
        _expectGuards(address(0));
    }

    function test_NothingIsLeftWithoutAnAnnouncement() public {
        _refuseUnannounced();
        _announce();
        _cancel();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        _refuseUnannounced();
        _expectGuards(address(frozen));
    }

    function test_AnAnnouncementIsUsedOnce() public {
        _announce();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        exit.leave(address(safe));
        _refuseUnannounced();
        _announce();
        _expectPending(2, vm.getBlockTimestamp() + EXIT_DELAY);
    }

    function test_NothingButTheGuardsChanges() public {
        bytes32 before = _rest();
        _announce();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        exit.leave(address(safe));
        assertEq(_rest(), before);
        assertEq(address(exit).balance, 0);
    }

    /// P9: the custodian is gone, the guard refuses everything, and the money is still the people's.
    function test_ThePeopleThenPayAloneThoughThePermitSignerNeverSignsAgain() public {
        vm.expectRevert(FrozenGuard.FrozenGuard_Refused.selector);
        this.payAlone();
        _announce();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        vm.prank(stranger);
        exit.leave(address(safe));
        assertTrue(_payAlone());
        assertEq(payee.balance, 1);
    }

    function test_WhatTheGuardHoldsUpStaysPending() public {
        _announce();
        uint256 usableFrom = vm.getBlockTimestamp() + EXIT_DELAY;
        vm.warp(usableFrom);
        frozen.holdTheExitUp(true);
        vm.expectRevert(FrozenGuard.FrozenGuard_Refused.selector);
        exit.leave(address(safe));
        _expectPending(1, usableFrom);
        _expectGuards(address(frozen));
        frozen.holdTheExitUp(false);
        exit.leave(address(safe));
        _expectGuards(address(0));
    }

    function test_AVaultWithoutTheModuleIsNotLeft() public {
        vm.prank(address(safe));
        safe.disableModule(address(1), address(exit));
        _announce();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        vm.expectRevert("GS104");
        exit.leave(address(safe));
        _expectGuards(address(frozen));
    }

    function test_AFailedCallIsNoExit() public {
        CrookedSafe crooked = new CrookedSafe(exit);
        exit.announce(address(crooked), "");
        uint256 usableFrom = vm.getBlockTimestamp() + EXIT_DELAY;
        vm.warp(usableFrom);
        for (uint256 call = 1; call <= 2; ++call) {
            crooked.failAt(call);
            vm.expectRevert(
                abi.encodeWithSelector(IVaultExit.VaultExit_CallFailed.selector, address(crooked))
            );
            exit.leave(address(crooked));
        }
        (, uint256 still) = exit.announcementOf(address(crooked));
        assertEq(still, usableFrom);
    }

    function test_TheAnnouncementIsUsedUpBeforeTheVaultHears() public {
        CrookedSafe crooked = new CrookedSafe(exit);
        exit.announce(address(crooked), "");
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        crooked.callBack();
        exit.leave(address(crooked));
        assertEq(
            crooked.answer(),
            abi.encodeWithSelector(IVaultExit.VaultExit_NotAnnounced.selector, address(crooked))
        );
    }

    function payAlone() external {
        _payAlone();
    }

    function _refuseUnannounced() private {
        vm.expectRevert(
            abi.encodeWithSelector(IVaultExit.VaultExit_NotAnnounced.selector, address(safe))
        );
        exit.leave(address(safe));
    }

    /// Everything of the vault but its guards.
    function _rest() private view returns (bytes32) {
        (address[] memory modules,) = safe.getModulesPaginated(address(1), 10);
        return keccak256(
            abi.encode(
                SafeConfiguration.peopleHash(address(safe)),
                modules,
                SafeConfiguration.addressAt(address(safe), 0),
                SafeConfiguration.addressAt(address(safe), SafeConfiguration.FALLBACK_HANDLER_SLOT),
                safe.nonce(),
                address(safe).balance
            )
        );
    }
}

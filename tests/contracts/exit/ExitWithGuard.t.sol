// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {IVaultExit} from "contracts/interfaces/IVaultExit.sol";
import {SafeConfiguration} from "contracts/libraries/SafeConfiguration.sol";
import {SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

/// Ends the exit of a vault in the middle of the payment that it gets.
contract LeavingPayee {
    IVaultExit private immutable EXIT;
    address private immutable VAULT;

    constructor(IVaultExit exit, address vault) {
        EXIT = exit;
        VAULT = vault;
    }

    receive() external payable {
        EXIT.leave(VAULT);
    }
}

/// The exit of a vault under the real guard.
contract ExitWithGuardTest is VaultFixture {
    uint256 private constant EXIT_DELAY = 7 days;
    uint256 private constant FREEZE = 3 days;

    /// P9: nobody of the custodian signs anything here.
    function test_ThePeopleLeaveWithoutTheCustodian() public {
        _announceExit();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        vm.prank(stranger);
        exitModule.leave(address(vault));
        _expectGuards(address(0));
        SafeTx memory t = _native(stranger, ETH_START);
        assertTrue(_execute(t, _peopleSign(_hash(t, vault.nonce()))));
        assertEq(stranger.balance, ETH_START, "the people have their money");
    }

    function test_NobodyLeavesBefore() public {
        _announceExit();
        uint256 usableFrom = vm.getBlockTimestamp() + EXIT_DELAY;
        vm.warp(usableFrom - 1);
        _refuseLeave(
            abi.encodeWithSelector(
                IVaultExit.VaultExit_TooEarly.selector, usableFrom, usableFrom - 1
            )
        );
    }

    /// People and custodian together: the guard's way out is the exit's, with its delay.
    function test_PeopleAndCustodianTogetherDoNotLeaveEarly() public {
        _announceExit();
        SafeTx memory leave = _call(address(exitModule), _leaveCall());
        _announce(leave);
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        _refuse(
            leave,
            abi.encodeWithSelector(IPermitGuard.PermitGuard_GuardRemoved.selector, address(0))
        );
        _expectGuards(address(guard));
    }

    function test_LeavingInTheMiddleOfAPaymentIsUndone() public {
        address leaver = address(new LeavingPayee(exitModule, address(vault)));
        _pay(_call(address(guard), abi.encodeCall(IPermitGuard.announceDestination, (leaver))));
        _announceExit();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        _refuse(
            _native(leaver, 1),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_GuardRemoved.selector, address(0))
        );
        _expectGuards(address(guard));
        exitModule.leave(address(vault));
        _expectGuards(address(0));
    }

    function test_AFreezeHoldsTheExitUpForItsDays() public {
        _announceExit();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY - 1);
        uint256 until = vm.getBlockTimestamp() + FREEZE;
        _freeze();
        vm.warp(until - 1);
        _refuseLeave(abi.encodeWithSelector(IPermitGuard.PermitGuard_ExitFrozen.selector, until));
        vm.warp(until);
        exitModule.leave(address(vault));
        _expectGuards(address(0));
    }

    function test_AFreezeHoldsAnAnnouncementUpOnce() public {
        _announceExit();
        _freeze();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        _freeze();
        assertGt(guard.frozenUntil(address(vault)), vm.getBlockTimestamp(), "payments stand still");
        exitModule.leave(address(vault));
        _expectGuards(address(0));
    }

    function test_TheNextAnnouncementIsHeldUpOnceMore() public {
        _announceExit();
        _freeze();
        bytes32 digest = exitModule.cancelDigest(address(vault), 1);
        exitModule.cancel(address(vault), _signatures(2, digest));
        _announceExit();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        uint256 until = vm.getBlockTimestamp() + FREEZE;
        _freeze();
        _refuseLeave(abi.encodeWithSelector(IPermitGuard.PermitGuard_ExitFrozen.selector, until));
        vm.warp(until);
        exitModule.leave(address(vault));
        _expectGuards(address(0));
    }

    function test_AFreezeBeforeTheAnnouncementHoldsNothingUp() public {
        _freeze();
        _announceExit();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        exitModule.leave(address(vault));
        _expectGuards(address(0));
    }

    function test_ThePeopleReleaseTheExitWithTheVault() public {
        _announceExit();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        _freeze();
        bytes32 digest = guard.unfreezeDigest(address(vault), guard.freezeCount(address(vault)));
        guard.unfreeze(address(vault), _signatures(2, digest));
        exitModule.leave(address(vault));
        _expectGuards(address(0));
    }

    /// Whenever the freezer pulls, and pulls again: FREEZE after the delay it is over.
    function testFuzz_TheFreezerHoldsItUpOnceOnly(uint256 first, uint256 second) public {
        _announceExit();
        uint256 usableFrom = vm.getBlockTimestamp() + EXIT_DELAY;
        vm.warp(vm.getBlockTimestamp() + bound(first, 0, EXIT_DELAY));
        _freeze();
        vm.warp(vm.getBlockTimestamp() + bound(second, 2 * FREEZE, 10 * FREEZE));
        _freeze();
        if (vm.getBlockTimestamp() < usableFrom) vm.warp(usableFrom);
        exitModule.leave(address(vault));
        _expectGuards(address(0));
    }

    function _announceExit() private {
        (uint256 id,) = exitModule.announcementOf(address(vault));
        bytes32 digest = exitModule.announceDigest(address(vault), id + 1);
        exitModule.announce(address(vault), _signatures(2, digest));
    }

    function _freeze() private {
        vm.prank(freezer);
        guard.freeze(address(vault));
    }

    function _refuseLeave(bytes memory why) private {
        vm.expectRevert(why);
        exitModule.leave(address(vault));
        _expectGuards(address(guard));
    }

    function _leaveCall() private view returns (bytes memory) {
        return abi.encodeCall(IVaultExit.leave, (address(vault)));
    }

    function _expectGuards(address wanted) private view {
        address safe = address(vault);
        assertEq(SafeConfiguration.addressAt(safe, SafeConfiguration.GUARD_SLOT), wanted);
        assertEq(SafeConfiguration.addressAt(safe, SafeConfiguration.MODULE_GUARD_SLOT), wanted);
    }
}

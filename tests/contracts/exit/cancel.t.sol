// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {IVaultExit} from "contracts/interfaces/IVaultExit.sol";
import {ExitFixture} from "tests/contracts/fixtures/ExitFixture.sol";

contract ExitCancelTest is ExitFixture {
    /// k must announce: n − k + 1 can deny them that, one fewer cannot.
    function testFuzz_ItTakesAllThatTheThresholdCannotSpare(
        address caller,
        uint256 owners,
        uint256 threshold,
        uint256 later
    ) public {
        owners = bound(owners, 1, 6);
        threshold = bound(threshold, 1, owners);
        ISafe made = _born(owners, threshold);
        exit.announce(address(made), _signatures(threshold, exit.announceDigest(address(made), 1)));
        vm.warp(vm.getBlockTimestamp() + bound(later, 0, 100 days));
        bytes32 digest = exit.cancelDigest(address(made), 1);
        uint256 required = owners - threshold + 1;
        bytes memory tooFew = _signatures(required - 1, digest);
        vm.expectRevert("GS020");
        exit.cancel(address(made), tooFew);
        bytes memory enough = _signatures(required, digest);
        vm.expectEmit(address(exit));
        emit IVaultExit.ExitCancelled(address(made), 1);
        vm.prank(caller);
        exit.cancel(address(made), enough);
        (uint256 id, uint256 usableFrom) = exit.announcementOf(address(made));
        assertEq(id, 1);
        assertEq(usableFrom, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IVaultExit.VaultExit_NotAnnounced.selector, address(made))
        );
        exit.leave(address(made));
    }

    function test_OneApproverCannotCancel() public {
        _announce();
        bytes32 digest = _digest(1);
        for (uint256 i = 0; i < 3; ++i) {
            bytes memory one = _signature(peopleKeys[i], digest);
            _refuse(one, "GS020");
            _refuse(bytes.concat(one, one), "GS026");
        }
        bytes memory withStranger =
            bytes.concat(_signature(peopleKeys[0], digest), _signature(peopleKeys[5], digest));
        _refuse(withStranger, "GS026");
        _expectPending(1, vm.getBlockTimestamp() + EXIT_DELAY);
    }

    function test_AnotherIdOrAnAnnouncementCancelsNothing() public {
        _announce();
        _refuse(_signatures(2, _digest(0)), "GS026");
        _refuse(_signatures(2, _digest(2)), "GS026");
        _refuse(_signatures(2, exit.announceDigest(address(safe), 1)), "GS026");
        _expectPending(1, vm.getBlockTimestamp() + EXIT_DELAY);
    }

    function test_ACancellationIsGoodForOneAnnouncement() public {
        _announce();
        bytes memory signatures = _signatures(2, _digest(1));
        exit.cancel(address(safe), signatures);
        _refusePending(signatures);
        _announce();
        _refuse(signatures, "GS026");
        _expectPending(2, vm.getBlockTimestamp() + EXIT_DELAY);
    }

    function test_NothingPendingNothingToCancel() public {
        _refusePending(_signatures(2, _digest(0)));
        _refusePending(_signatures(2, _digest(1)));
        _announce();
        vm.warp(vm.getBlockTimestamp() + EXIT_DELAY);
        exit.leave(address(safe));
        _refusePending(_signatures(2, _digest(1)));
    }

    function test_OwnersAndThresholdAreThoseOfNow() public {
        _announce();
        vm.prank(address(safe));
        safe.addOwnerWithThreshold(people[3], 2);
        _refuse(_signatures(2, _digest(1)), "GS020");
        vm.prank(address(safe));
        safe.changeThreshold(3);
        exit.cancel(address(safe), _signatures(2, _digest(1)));
        _expectPending(1, 0);
    }

    function _digest(uint256 id) private view returns (bytes32) {
        return exit.cancelDigest(address(safe), id);
    }

    function _refuse(bytes memory signatures, string memory why) private {
        vm.expectRevert(bytes(why));
        exit.cancel(address(safe), signatures);
    }

    function _refusePending(bytes memory signatures) private {
        vm.expectRevert(
            abi.encodeWithSelector(IVaultExit.VaultExit_NotAnnounced.selector, address(safe))
        );
        exit.cancel(address(safe), signatures);
    }
}

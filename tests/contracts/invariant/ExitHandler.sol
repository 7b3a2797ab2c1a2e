// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {Enum} from "@safe-global/safe-smart-account/contracts/libraries/Enum.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {IVaultExit} from "contracts/interfaces/IVaultExit.sol";
import {SafeConfiguration} from "contracts/libraries/SafeConfiguration.sol";

struct ExitWorld {
    ISafe vault;
    IPermitGuard guard;
    IVaultExit exit;
    address freezer;
    uint256 permitKey;
    uint256 strangerKey;
    uint256[] peopleKeys;
}

/// Plays people who want to leave, people who do not, a freezer and thieves; keeps its own books of
/// what is announced and what is held up, and counts what should never happen.
contract ExitHandler is Test {
    uint256 private constant EXIT_DELAY = 7 days;
    uint256 private constant FREEZE = 3 days;

    ExitWorld private _world;
    /// The announcements, kept here a second time.
    uint256 public lastId;
    uint256 public usableFrom;
    uint256 public heldUntil;
    uint256 private _heldId;
    uint256 public wrongs;
    string public firstWrong;
    uint256 public announcements;
    uint256 public cancellations;
    uint256 public exits;

    constructor(ExitWorld memory world) {
        _world = world;
    }

    /// `signers` of the people sign; one of them may be a stranger or the custodian.
    function announce(uint256 signers, uint256 other, uint256 id) external {
        signers = bound(signers, 1, 3);
        id = id % 8 == 0 ? lastId : id % 8 == 1 ? lastId + 2 : lastId + 1;
        bytes32 digest = _world.exit.announceDigest(address(_world.vault), id);
        bytes memory signatures = _signatures(signers, other % 4, digest);
        bool right = usableFrom == 0 && id == lastId + 1
            && _good(signers, other % 4) >= _world.vault.getThreshold();
        try _world.exit.announce(address(_world.vault), signatures) {
            _judge(right, "an exit was announced that should not");
            lastId = id;
            usableFrom = vm.getBlockTimestamp() + EXIT_DELAY;
            ++announcements;
        } catch {
            _judge(!right, "an exit was not announced that should");
        }
    }

    function cancel(uint256 signers, uint256 other, uint256 id) external {
        signers = bound(signers, 0, 3);
        id = id % 2 == 0 ? lastId : lastId + 1;
        bytes32 digest = _world.exit.cancelDigest(address(_world.vault), id);
        bytes memory signatures = _signatures(signers, other % 4, digest);
        uint256 required = 3 - _world.vault.getThreshold() + 1;
        bool right = usableFrom != 0 && id == lastId && _good(signers, other % 4) >= required;
        try _world.exit.cancel(address(_world.vault), signatures) {
            _judge(right, "an exit was cancelled that should not");
            usableFrom = 0;
            ++cancellations;
        } catch {
            _judge(!right, "an exit was not cancelled that should");
        }
    }

    /// If it works it is taken back, so that the run goes on.
    function leave(address caller) external {
        uint256 time = vm.getBlockTimestamp();
        bool right = usableFrom != 0 && time >= usableFrom && time >= heldUntil;
        uint256 before = vm.snapshotState();
        vm.prank(caller);
        try _world.exit.leave(address(_world.vault)) {
            bool off = guardsAre(address(0));
            vm.revertToState(before);
            _judge(right, "a vault was left that should not");
            _judge(off, "a vault was left and has a guard");
            ++exits;
        } catch {
            _judge(!right, "a vault was not left that should");
        }
    }

    function freeze(bool freezer) external {
        address safe = address(_world.vault);
        uint256 time = vm.getBlockTimestamp();
        bool rested = time >= _world.guard.frozenUntil(safe) + FREEZE;
        vm.prank(freezer ? _world.freezer : address(this));
        try _world.guard.freeze(safe) {
            _judge(freezer && rested, "a vault was frozen that should not");
            if (usableFrom == 0 || _heldId == lastId) return;
            _heldId = lastId;
            heldUntil = time + FREEZE;
        } catch {
            _judge(!freezer || !rested, "a vault was not frozen that should");
        }
    }

    function unfreeze(uint256 signers) external {
        address safe = address(_world.vault);
        signers = bound(signers, 0, 3);
        uint256 count = _world.guard.freezeCount(safe);
        bytes memory signatures = _signatures(signers, 2, _world.guard.unfreezeDigest(safe, count));
        uint256 time = vm.getBlockTimestamp();
        bool right = time < _world.guard.frozenUntil(safe) && signers >= _world.vault.getThreshold();
        try _world.guard.unfreeze(safe, signatures) {
            _judge(right, "a freeze ended that should not");
            if (heldUntil > time) heldUntil = time;
        } catch {
            _judge(!right, "a freeze did not end that should");
        }
    }

    /// People and custodian agree on another threshold: announced, waited for, executed.
    function changeThreshold(uint256 threshold) external {
        threshold = bound(threshold, 1, 3);
        address safe = address(_world.vault);
        if (threshold == _world.vault.getThreshold()) return;
        bytes memory data = abi.encodeWithSignature("changeThreshold(uint256)", threshold);
        bytes32 hash = _world.guard.changeHash(safe, 0, data, 0);
        uint256 usable = _world.guard.changeUsableFrom(safe, hash);
        if (usable == 0) {
            _execute(address(_world.guard), abi.encodeCall(IPermitGuard.announce, (hash)));
        } else if (vm.getBlockTimestamp() >= usable) {
            _execute(safe, data);
        }
    }

    /// Everybody signs, and still no call but the exit's takes a guard off.
    function takeTheGuardOff(uint256 which) external {
        bytes memory data = which % 2 == 0
            ? abi.encodeWithSignature("setGuard(address)", address(0))
            : abi.encodeWithSignature("setModuleGuard(address)", address(0));
        bytes32 hash = _world.guard.changeHash(address(_world.vault), 0, data, 0);
        _execute(address(_world.guard), abi.encodeCall(IPermitGuard.announce, (hash)));
        _judge(!_execute(address(_world.vault), data), "a guard was taken off");
    }

    function wait_(uint256 time) external {
        vm.warp(vm.getBlockTimestamp() + bound(time, 1 hours, 4 days));
    }

    /// From here: announce if none is pending, wait, and leave, whatever the freezer does. Tells
    /// how long it took. Reverts if that is not possible.
    function leaveFromHere() external returns (uint256 time) {
        address safe = address(_world.vault);
        time = vm.getBlockTimestamp();
        if (usableFrom == 0) {
            bytes32 digest = _world.exit.announceDigest(safe, lastId + 1);
            _world.exit.announce(safe, _signatures(_world.vault.getThreshold(), 2, digest));
        }
        (, uint256 usable) = _world.exit.announcementOf(safe);
        uint256 held = _world.guard.exitFrozenUntil(safe);
        vm.warp(vm.getBlockTimestamp() < usable ? usable : vm.getBlockTimestamp());
        vm.prank(_world.freezer);
        try _world.guard.freeze(safe) {
            held = _world.guard.exitFrozenUntil(safe);
        } catch {
            held = _world.guard.exitFrozenUntil(safe);
        }
        if (vm.getBlockTimestamp() < held) vm.warp(held);
        _world.exit.leave(safe);
        time = vm.getBlockTimestamp() - time;
    }

    function guardsAre(address wanted) public view returns (bool) {
        address safe = address(_world.vault);
        return SafeConfiguration.addressAt(safe, SafeConfiguration.GUARD_SLOT) == wanted
            && SafeConfiguration.addressAt(safe, SafeConfiguration.MODULE_GUARD_SLOT) == wanted;
    }

    function _judge(bool right, string memory wrong) private {
        if (right) return;
        if (wrongs++ == 0) firstWrong = wrong;
    }

    /// The first `count` people; the last of them is a stranger (0), the custodian (1), or himself.
    function _signatures(uint256 count, uint256 other, bytes32 digest)
        private
        view
        returns (bytes memory all)
    {
        for (uint256 i = 0; i < count; ++i) {
            bool last = i + 1 == count;
            uint256 key = _world.peopleKeys[i];
            if (last && other == 0) key = _world.strangerKey;
            if (last && other == 1) key = _world.permitKey;
            all = bytes.concat(all, _rsv(key, digest));
        }
    }

    function _good(uint256 count, uint256 other) private pure returns (uint256) {
        return count != 0 && other < 2 ? count - 1 : count;
    }

    function _execute(address to, bytes memory data) private returns (bool) {
        ISafe vault = _world.vault;
        bytes32 hash = vault.getTransactionHash(
            to, 0, data, Enum.Operation.Call, 0, 0, 0, address(0), address(0), vault.nonce()
        );
        uint64 until = uint64(vm.getBlockTimestamp() + 60);
        bytes32 permit = _world.guard.permitDigest(address(vault), hash, 1, until);
        bytes memory signatures = bytes.concat(
            _signatures(vault.getThreshold(), 2, hash),
            abi.encodePacked(uint64(1), until),
            _rsv(_world.permitKey, permit)
        );
        try vault.execTransaction(
            to, 0, data, Enum.Operation.Call, 0, 0, 0, address(0), payable(0), signatures
        ) returns (
            bool done
        ) {
            return done;
        } catch {
            return false;
        }
    }

    function _rsv(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}

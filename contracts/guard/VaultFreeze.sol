// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VaultRules} from "contracts/guard/VaultRules.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {ISafeVault} from "contracts/interfaces/ISafeVault.sol";
import {IVaultExit} from "contracts/interfaces/IVaultExit.sol";

/// @title The brake: pulled by one, released by the people, and bounded in every direction.
abstract contract VaultFreeze is VaultRules {
    /// How long a freeze lasts, and how long after it there is no other: time enough to announce
    /// and execute a change of freezers, and less than the delay of an exit.
    uint256 public constant FREEZE_SECONDS = 3 days;

    /// @param until end of the last freeze
    /// @param exitUntil end of the last time that the exit was held up
    /// @param exitId the announcement of the exit that was held up then; they count from 1
    /// @param count how many there were; an Unfreeze is for one of them only
    struct Freeze {
        uint256 until;
        uint256 exitUntil;
        uint256 exitId;
        uint256 count;
    }

    mapping(address safe => Freeze) private _freezes;

    /// @inheritdoc IPermitGuard
    function freeze(address safe) external {
        // Check
        if (!_isFreezer(safe, msg.sender)) revert PermitGuard_NotFreezer(msg.sender);
        Freeze storage state = _freezes[safe];
        uint256 again = state.until + FREEZE_SECONDS;
        if (block.timestamp < again) revert PermitGuard_FrozenLately(again);

        // Effect
        uint256 until = block.timestamp + FREEZE_SECONDS;
        state.until = until;
        state.count += 1;
        (uint256 id, uint256 usable) = IVaultExit(exitModule).announcementOf(safe);
        if (usable != 0 && id != state.exitId) {
            state.exitId = id;
            state.exitUntil = until;
        }
        emit Frozen(safe, msg.sender, until, state.exitUntil);
    }

    /// @inheritdoc IPermitGuard
    function unfreeze(address safe, bytes calldata signatures) external {
        // Check
        Freeze storage state = _freezes[safe];
        if (block.timestamp >= state.until) revert PermitGuard_NotFrozen(safe);
        uint256 count = state.count;
        ISafeVault(safe).checkNSignatures(
            address(0), unfreezeDigest(safe, count), signatures, ISafeVault(safe).getThreshold()
        );

        // Effect
        state.until = block.timestamp;
        if (block.timestamp < state.exitUntil) state.exitUntil = block.timestamp;
        emit Unfrozen(safe, count);
    }

    /// @inheritdoc IPermitGuard
    function frozenUntil(address safe) external view returns (uint256 time) {
        return _freezes[safe].until;
    }

    /// @inheritdoc IPermitGuard
    function exitFrozenUntil(address safe) external view returns (uint256 time) {
        return _freezes[safe].exitUntil;
    }

    /// @inheritdoc IPermitGuard
    function freezeCount(address safe) external view returns (uint256 count) {
        return _freezes[safe].count;
    }

    function _checkNotFrozen() internal view {
        uint256 until = _freezes[msg.sender].until;
        if (block.timestamp < until) revert PermitGuard_Frozen(until);
    }

    function _checkExitNotFrozen() internal view {
        uint256 until = _freezes[msg.sender].exitUntil;
        if (block.timestamp < until) revert PermitGuard_ExitFrozen(until);
    }
}

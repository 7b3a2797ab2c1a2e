// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SlotDerivation} from "@openzeppelin/contracts/utils/SlotDerivation.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";

/// @title The one transaction that a vault executes right now, in transient storage.
/// @dev It is the lock between pre-check and post-check, and it tells the guard's setters that the
/// vault calls them from within a transaction that the guard let through.
library RunningTransaction {
    using SlotDerivation for bytes32;
    using TransientSlot for *;

    bytes32 private constant HASH_SLOT = keccak256("strongroom.PermitGuard.running");
    bytes32 private constant CHANGE_SLOT = keccak256("strongroom.PermitGuard.change");

    /// @notice Shuts the lock of `safe`.
    function begin(address safe, bytes32 safeTxHash, bool change) internal {
        HASH_SLOT.deriveMapping(safe).asBytes32().tstore(safeTxHash);
        CHANGE_SLOT.deriveMapping(safe).asBoolean().tstore(change);
    }

    /// @notice Opens it.
    function end(address safe) internal {
        HASH_SLOT.deriveMapping(safe).asBytes32().tstore(bytes32(0));
        CHANGE_SLOT.deriveMapping(safe).asBoolean().tstore(false);
    }

    /// @notice The hash of what `safe` executes; zero = nothing.
    function hashOf(address safe) internal view returns (bytes32 safeTxHash) {
        return HASH_SLOT.deriveMapping(safe).asBytes32().tload();
    }

    /// @notice Whether that is an announced change.
    function isChange(address safe) internal view returns (bool) {
        return CHANGE_SLOT.deriveMapping(safe).asBoolean().tload();
    }
}

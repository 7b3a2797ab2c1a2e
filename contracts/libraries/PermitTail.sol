// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The bytes after the owners' signatures: policyVersion ‖ validUntil ‖ r ‖ s ‖ v.
/// @dev A Safe ignores what follows threshold × 65 bytes, so the Permit travels there.
library PermitTail {
    /// 8 + 8 + 65
    uint256 internal constant LENGTH = 81;
    /// r ‖ s ‖ v
    uint256 internal constant SIGNATURE_LENGTH = 65;

    /// @notice The three parts of the tail that begins at `start`; `signature` is r ‖ s ‖ v.
    function parse(bytes calldata signatures, uint256 start)
        internal
        pure
        returns (uint64 policyVersion, uint64 validUntil, bytes calldata signature)
    {
        policyVersion = uint64(bytes8(signatures[start:start + 8]));
        validUntil = uint64(bytes8(signatures[start + 8:start + 16]));
        signature = signatures[start + 16:start + LENGTH];
    }

    /// @notice v of the owner's signature in `slot`, counted from zero.
    function ownerV(bytes calldata signatures, uint256 slot) internal pure returns (uint8 v) {
        return uint8(signatures[slot * SIGNATURE_LENGTH + 64]);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Calldata of the form selector ‖ word, or selector ‖ address [‖ uint256], read exactly.
/// @dev One byte more, one byte less, or a dirty upper half of the address word is no match: what
/// a signer or an approver decodes is then what the called contract decodes.
library CanonicalCall {
    /// @notice Whether `data` is exactly `selector(address)` with a clean address word.
    function isOneAddress(bytes calldata data, bytes4 selector) internal pure returns (bool) {
        return isOneWord(data, selector) && _isAddress(data);
    }

    /// @notice Whether `data` is exactly `selector` and one word.
    function isOneWord(bytes calldata data, bytes4 selector) internal pure returns (bool) {
        return data.length == 36 && bytes4(data) == selector;
    }

    /// @notice Whether `data` is exactly `selector(address,uint256)` with a clean address word.
    function isAddressAndAmount(bytes calldata data, bytes4 selector)
        internal
        pure
        returns (bool)
    {
        return data.length == 68 && bytes4(data) == selector && _isAddress(data);
    }

    /// @notice The address argument; only after one of the two checks above.
    function firstAddress(bytes calldata data) internal pure returns (address) {
        return address(uint160(uint256(bytes32(data[4:36]))));
    }

    /// @notice The amount argument; only after `isAddressAndAmount`.
    function amount(bytes calldata data) internal pure returns (uint256) {
        return uint256(bytes32(data[36:68]));
    }

    function _isAddress(bytes calldata data) private pure returns (bool) {
        return uint256(bytes32(data[4:36])) >> 160 == 0;
    }
}

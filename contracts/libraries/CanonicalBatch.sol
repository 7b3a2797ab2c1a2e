// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Calldata of MultiSendCallOnly (Safe 1.5.0), read exactly.
/// @dev `multiSend(bytes)` reads its argument wherever the ABI offset points, takes an inner
/// address of zero for the Safe itself, and does not mind what follows. Here there is one reading
/// only: what is decoded and encoded again must be the same bytes, and the items must end where
/// the argument ends. One item: operation (1 byte) ‖ to (20) ‖ value (32) ‖ length (32) ‖ data.
library CanonicalBatch {
    /// multiSend(bytes)
    bytes4 internal constant SELECTOR = 0x8d80ff0a;
    uint256 internal constant ITEMS_MAX = 64;
    /// Of the code at MultiSendCallOnly's official address, 421 bytes.
    bytes32 internal constant CODE_HASH =
        0xcdbdcec38d2f1c7d961b0029ff8416b7e86e9974d6f0e9c9580c7d17fcfb6663;
    /// Selector, offset, length.
    uint256 private constant ARGUMENT_START = 68;
    uint256 private constant HEADER_LENGTH = 85;

    error CanonicalBatch_NotCanonical();
    error CanonicalBatch_ItemIsCutOff(uint256 position);
    error CanonicalBatch_ItemIsNotCall(uint256 position);
    error CanonicalBatch_ItemToZero(uint256 position);
    error CanonicalBatch_TooManyItems();

    /// @notice The items' bytes in `data`, which must be exactly one `multiSend` of at least one.
    function items(bytes calldata data) internal pure returns (bytes calldata packed) {
        if (data.length <= ARGUMENT_START) revert CanonicalBatch_NotCanonical();
        uint256 length = uint256(bytes32(data[36:ARGUMENT_START]));
        if (length == 0 || length > data.length - ARGUMENT_START) {
            revert CanonicalBatch_NotCanonical();
        }
        packed = data[ARGUMENT_START:ARGUMENT_START + length];
        if (keccak256(abi.encodeWithSelector(SELECTOR, packed)) != keccak256(data)) {
            revert CanonicalBatch_NotCanonical();
        }
    }

    /// @notice Reads the item at `position`: a plain call to an address that is not zero.
    /// @return to where it goes
    /// @return value in wei
    /// @return data of the call
    /// @return end the position behind it
    function item(bytes calldata packed, uint256 position)
        internal
        pure
        returns (address to, uint256 value, bytes calldata data, uint256 end)
    {
        uint256 left = packed.length - position;
        if (left < HEADER_LENGTH) revert CanonicalBatch_ItemIsCutOff(position);
        left -= HEADER_LENGTH;
        if (packed[position] != 0) revert CanonicalBatch_ItemIsNotCall(position);
        to = address(bytes20(packed[position + 1:position + 21]));
        if (to == address(0)) revert CanonicalBatch_ItemToZero(position);
        value = uint256(bytes32(packed[position + 21:position + 53]));
        uint256 length = uint256(bytes32(packed[position + 53:position + HEADER_LENGTH]));
        if (length > left) revert CanonicalBatch_ItemIsCutOff(position);
        end = position + HEADER_LENGTH + length;
        data = packed[position + HEADER_LENGTH:end];
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the guard asks of a vault (SafeL2 1.5.0 behind the official SafeProxy).
/// @notice A subset of Safe's own interface; the selectors are compared with Safe's in a test.
interface ISafeVault {
    /// @notice The implementation behind the proxy. Answered by the proxy's own code, so that an
    /// implementation put in its place cannot lie about itself.
    function masterCopy() external view returns (address singleton);

    /// @notice The nonce of the next transaction; during execution already counted up.
    function nonce() external view returns (uint256 next);

    /// @notice How many owners must sign.
    function getThreshold() external view returns (uint256 threshold);

    /// @notice The owners, in the Safe's own order.
    function getOwners() external view returns (address[] memory owners);

    /// @notice `length` words of storage from slot `offset`.
    function getStorageAt(uint256 offset, uint256 length) external view returns (bytes memory words);

    /// @notice The enabled modules from `start` on, at most `pageSize`.
    function getModulesPaginated(address start, uint256 pageSize)
        external
        view
        returns (address[] memory modules, address next);

    /// @notice The EIP-712 digest that the owners sign for one transaction.
    function getTransactionHash(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address refundReceiver,
        uint256 forNonce
    ) external view returns (bytes32 safeTxHash);

    /// @notice Reverts unless `signatures` are of `required` different owners over `digest`.
    /// @param executor whose slots with v = 1 count without a signature; zero = nobody's
    function checkNSignatures(
        address executor,
        bytes32 digest,
        bytes calldata signatures,
        uint256 required
    ) external view;

    /// @notice Adds a module; the Safe itself only.
    function enableModule(address module) external;

    /// @notice Sets the transaction guard; the Safe itself only.
    function setGuard(address guard) external;

    /// @notice Sets the module guard; the Safe itself only.
    function setModuleGuard(address moduleGuard) external;
}

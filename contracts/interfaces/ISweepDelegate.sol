// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What a deposit address can do while it delegates to its vault's sweeper (EIP-7702).
interface ISweepDelegate {
    error SweepDelegate_CallerNotAllowed(address caller);
    error SweepDelegate_NothingToSweep();
    error SweepDelegate_VaultRefused(uint256 amount);
    error SweepDelegate_AddressIsZero();

    /// @notice Sends exactly `amount` of this account's `token` to the vault; the rest stays.
    /// Callable by the batcher and by the vault.
    /// @param token ERC-20 contract; the zero address = the chain's native coin
    /// @param amount in the token's smallest unit, more than zero
    function sweep(address token, uint256 amount) external;

    /// @notice The only receiver there is.
    function vault() external view returns (address);

    /// @notice The contract through which the relay sweeps.
    function batcher() external view returns (address);
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Sweeps many deposit addresses in one transaction of the relay.
interface ISweepBatcher {
    /// @param account the deposit address
    /// @param token ERC-20 contract; the zero address = the chain's native coin
    /// @param amount cleared units to move; what is above stays
    struct Item {
        address account;
        address token;
        uint256 amount;
    }

    /// @notice `amount` left `account` for `vault`, which now holds `received` more: less than
    /// `amount` with a token that takes a fee.
    event Swept(
        address indexed account,
        address indexed token,
        address indexed vault,
        uint256 amount,
        uint256 received
    );
    /// @notice Nothing of this item moved; `reason` is the error as it was raised,
    /// its first 256 bytes.
    event SweepFailed(
        address indexed account, address indexed token, uint256 amount, bytes reason
    );

    error SweepBatcher_CallerIsNotRelay(address caller);
    error SweepBatcher_CallerIsNotBatcher(address caller);
    error SweepBatcher_RelayIsZero();
    error SweepBatcher_NotDelegated(address account);
    error SweepBatcher_DelegateNotOurs(address account, address delegate);
    error SweepBatcher_AmountNotMoved(uint256 left, uint256 received, uint256 amount);

    /// @notice Sweeps each item; one that fails is reported and leaves the others alone.
    /// Callable by the relay.
    function sweep(Item[] calldata items) external;

    /// @notice One item, all or nothing. Callable by this contract itself only.
    /// @return vault where the money went
    /// @return received by how much the vault's balance grew
    function sweepItem(Item calldata item) external returns (address vault, uint256 received);

    /// @notice Who may sweep.
    function relay() external view returns (address);

    /// @notice The one SweepDelegate of `vault` and this batcher, by CREATE2.
    function delegateOf(address vault) external view returns (address delegate);
}

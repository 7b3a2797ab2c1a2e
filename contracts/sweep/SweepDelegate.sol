// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ISweepDelegate} from "contracts/interfaces/ISweepDelegate.sol";

/// @title The code that deposit addresses of one vault delegate to.
/// @notice `ISweepDelegate` says what it promises. Immutables only: there is nothing to initialise
/// and no slot that another delegate could have written. It has no `isValidSignature` and makes no
/// call but one payment to the vault.
/// @dev Deployed once a vault through the deterministic deployer with salt 0.
contract SweepDelegate is ISweepDelegate {
    using SafeERC20 for IERC20;

    /// @inheritdoc ISweepDelegate
    address public immutable vault;
    /// @inheritdoc ISweepDelegate
    address public immutable batcher;

    constructor(address vault_, address batcher_) {
        if (vault_ == address(0) || batcher_ == address(0)) revert SweepDelegate_AddressIsZero();
        vault = vault_;
        batcher = batcher_;
    }

    /// @notice Payers' native coin, also from contracts that forward 2,300 gas only.
    receive() external payable {}

    /// @inheritdoc ISweepDelegate
    function sweep(address token, uint256 amount) external {
        // Check
        if (msg.sender != batcher && msg.sender != vault) {
            revert SweepDelegate_CallerNotAllowed(msg.sender);
        }
        if (amount == 0) revert SweepDelegate_NothingToSweep();

        // Interaction: one payment, to the vault.
        if (token == address(0)) {
            (bool accepted,) = vault.call{value: amount}("");
            if (!accepted) revert SweepDelegate_VaultRefused(amount);
        } else {
            IERC20(token).safeTransfer(vault, amount);
        }
    }
}

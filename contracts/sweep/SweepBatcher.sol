// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {ISweepBatcher} from "contracts/interfaces/ISweepBatcher.sol";
import {ISweepDelegate} from "contracts/interfaces/ISweepDelegate.sol";
import {SweepDelegate} from "contracts/sweep/SweepDelegate.sol";

/// @title The only caller of deposit addresses besides their vault.
/// @notice `ISweepBatcher` says what it promises. It holds no funds and keeps no state: it only
/// decides who may ask, and whether what was asked really happened.
contract SweepBatcher is ISweepBatcher {
    /// Keyless, at the same address on every chain; SweepDelegates are born through it, salt 0.
    address public constant DEPLOYER = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    /// So that one hostile token cannot burn the gas of the whole batch.
    uint256 public constant ITEM_GAS_MAX = 500_000;
    /// Nor by answering with a mountain of bytes; Solidity's own errors are shorter.
    uint256 public constant ANSWER_LENGTH_MAX = 256;
    /// EIP-7702: an account's code is then 0xef0100 ‖ the delegate's address.
    bytes3 private constant DELEGATION_PREFIX = 0xef0100;
    uint256 private constant DELEGATION_LENGTH = 23;

    /// @inheritdoc ISweepBatcher
    address public immutable relay;

    constructor(address relay_) {
        if (relay_ == address(0)) revert SweepBatcher_RelayIsZero();
        relay = relay_;
    }

    /// @inheritdoc ISweepBatcher
    function sweep(Item[] calldata items) external {
        if (msg.sender != relay) revert SweepBatcher_CallerIsNotRelay(msg.sender);
        for (uint256 i = 0; i < items.length; ++i) {
            Item calldata item = items[i];
            (bool done, bytes memory answer) = _attempt(abi.encodeCall(this.sweepItem, (item)));
            if (done) {
                (address vault, uint256 received) = abi.decode(answer, (address, uint256));
                emit Swept(item.account, item.token, vault, item.amount, received);
            } else {
                emit SweepFailed(item.account, item.token, item.amount, answer);
            }
        }
    }

    /// @inheritdoc ISweepBatcher
    function sweepItem(Item calldata item) external returns (address vault, uint256 received) {
        // Check: asked by `sweep`, and the account runs our code, bound to its vault and to us.
        if (msg.sender != address(this)) revert SweepBatcher_CallerIsNotBatcher(msg.sender);
        vault = _checkDelegation(item.account);
        uint256 accountBefore = _balance(item.token, item.account);
        uint256 vaultBefore = _balance(item.token, vault);

        // Interaction
        ISweepDelegate(item.account).sweep(item.token, item.amount);

        // Check: it left the account to the unit, and the vault has some of it.
        uint256 left = accountBefore - _balance(item.token, item.account);
        received = _balance(item.token, vault) - vaultBefore;
        if (left != item.amount || received == 0) {
            revert SweepBatcher_AmountNotMoved(left, received, item.amount);
        }
    }

    /// @inheritdoc ISweepBatcher
    function delegateOf(address vault) public view returns (address delegate) {
        bytes memory creation =
            abi.encodePacked(type(SweepDelegate).creationCode, abi.encode(vault, address(this)));
        return Create2.computeAddress(bytes32(0), keccak256(creation), DEPLOYER);
    }

    /// Calls this contract itself, with bounded gas and a bounded answer. `try` would copy all of
    /// the answer, whatever its length.
    function _attempt(bytes memory data) private returns (bool done, bytes memory answer) {
        answer = new bytes(ANSWER_LENGTH_MAX);
        assembly ("memory-safe") {
            done := call(ITEM_GAS_MAX, address(), 0, add(data, 0x20), mload(data), 0, 0)
            if lt(returndatasize(), ANSWER_LENGTH_MAX) { mstore(answer, returndatasize()) }
            returndatacopy(add(answer, 0x20), 0, mload(answer))
        }
    }

    /// A delegate could claim any vault; the address it must then have cannot be claimed.
    function _checkDelegation(address account) private view returns (address vault) {
        bytes memory code = account.code;
        if (code.length != DELEGATION_LENGTH || bytes3(code) != DELEGATION_PREFIX) {
            revert SweepBatcher_NotDelegated(account);
        }
        address delegate = address(uint160(uint184(bytes23(code))));
        // Without code a delegate would "succeed" and move nothing.
        if (delegate.code.length == 0) {
            revert SweepBatcher_DelegateNotOurs(account, delegate);
        }
        vault = ISweepDelegate(account).vault();
        if (delegate != delegateOf(vault)) revert SweepBatcher_DelegateNotOurs(account, delegate);
    }

    function _balance(address token, address holder) private view returns (uint256) {
        return token == address(0) ? holder.balance : IERC20(token).balanceOf(holder);
    }
}

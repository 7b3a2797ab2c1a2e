// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The two functions of Multicall3 by which balances are read, for tests.
contract Aggregator {
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    struct Result {
        bool success;
        bytes returnData;
    }

    error Aggregator_CallFailed(uint256 index);

    /// @notice Makes each call with all the gas that is left; one that may fail stops no other.
    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool success, bytes memory returned) = calls[i].target.call(calls[i].callData);
            if (!success && !calls[i].allowFailure) revert Aggregator_CallFailed(i);
            results[i] = Result(success, returned);
        }
    }

    function getEthBalance(address account) external view returns (uint256) {
        return account.balance;
    }
}

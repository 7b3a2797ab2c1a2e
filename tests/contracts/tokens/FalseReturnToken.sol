// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A token that says "false" where others revert, and moves nothing.
contract FalseReturnToken {
    mapping(address holder => uint256) public balanceOf;

    function mint(address to, uint256 units) external {
        balanceOf[to] += units;
    }

    function transfer(address, uint256) external pure returns (bool) {
        return false;
    }
}

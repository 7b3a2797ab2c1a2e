// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A token that keeps one percent of each transfer.
contract FeeToken {
    mapping(address holder => uint256) public balanceOf;

    function mint(address to, uint256 units) external {
        balanceOf[to] += units;
    }

    function transfer(address to, uint256 units) external returns (bool) {
        balanceOf[msg.sender] -= units;
        balanceOf[to] += units - units / 100;
        return true;
    }
}

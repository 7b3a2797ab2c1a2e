// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A token whose `transfer` returns nothing, as some of the oldest and largest do.
contract NoReturnToken {
    mapping(address holder => uint256) public balanceOf;

    function mint(address to, uint256 units) external {
        balanceOf[to] += units;
    }

    function transfer(address to, uint256 units) external {
        balanceOf[msg.sender] -= units;
        balanceOf[to] += units;
    }
}

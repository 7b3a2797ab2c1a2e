// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A token whose issuer can stop all transfers, or one holder's.
contract PausingToken {
    error PausingToken_Paused();

    mapping(address holder => uint256) public balanceOf;
    mapping(address holder => bool) public frozen;
    bool public paused;

    function mint(address to, uint256 units) external {
        balanceOf[to] += units;
    }

    function pause(bool on) external {
        paused = on;
    }

    function freeze(address holder, bool on) external {
        frozen[holder] = on;
    }

    function transfer(address to, uint256 units) external returns (bool) {
        if (paused || frozen[msg.sender] || frozen[to]) revert PausingToken_Paused();
        balanceOf[msg.sender] -= units;
        balanceOf[to] += units;
        return true;
    }
}

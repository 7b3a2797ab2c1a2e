// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A token that answers each transfer with an error as long as its gas allows.
contract LoudToken {
    mapping(address holder => uint256) public balanceOf;

    function mint(address to, uint256 units) external {
        balanceOf[to] += units;
    }

    function transfer(address, uint256) external pure returns (bool) {
        assembly ("memory-safe") {
            revert(0x80, 120000)
        }
    }
}

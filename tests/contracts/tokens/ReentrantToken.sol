// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A token that calls whatever it was told to, in the middle of each transfer.
contract ReentrantToken {
    struct Attempt {
        address target;
        bytes data;
    }

    mapping(address holder => uint256) public balanceOf;
    Attempt[] private _attempts;
    /// How many of the calls went through.
    uint256 public reached;
    /// How many calls were made.
    uint256 public made;

    function mint(address to, uint256 units) external {
        balanceOf[to] += units;
    }

    function attempt(address target, bytes calldata data) external {
        _attempts.push(Attempt(target, data));
    }

    function transfer(address to, uint256 units) external returns (bool) {
        balanceOf[msg.sender] -= units;
        for (uint256 i = 0; i < _attempts.length; ++i) {
            (bool done,) = _attempts[i].target.call(_attempts[i].data);
            ++made;
            if (done) ++reached;
        }
        balanceOf[to] += units;
        return true;
    }
}

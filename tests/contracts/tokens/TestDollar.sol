// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title The 6-decimal dollar of the first day and of the tests; worth nothing.
contract TestDollar is ERC20 {
    error TestDollar_CallerIsNotOwner(address caller);

    address public immutable owner;

    /// @param owner_ who may mint; named, because a deployer contract would be `msg.sender`
    constructor(address owner_) ERC20("Test Dollar", "TUSD") {
        owner = owner_;
    }

    /// @notice Makes `units` (1 TUSD = 1,000,000 units) for `to`.
    function mint(address to, uint256 units) external {
        if (msg.sender != owner) revert TestDollar_CallerIsNotOwner(msg.sender);
        _mint(to, units);
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }
}

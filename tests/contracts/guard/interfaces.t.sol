// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IGuardManager} from "@safe-global/safe-smart-account/contracts/interfaces/IGuardManager.sol";
import {IModuleManager} from "@safe-global/safe-smart-account/contracts/interfaces/IModuleManager.sol";
import {IOwnerManager} from "@safe-global/safe-smart-account/contracts/interfaces/IOwnerManager.sol";
import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {IStorageAccessible} from "@safe-global/safe-smart-account/contracts/interfaces/IStorageAccessible.sol";
import {ISafeVault} from "contracts/interfaces/ISafeVault.sol";

/// Our view of a Safe is Safe's own.
contract InterfacesTest is Test {
    function test_OurViewOfASafeHasSafesSelectors() public pure {
        assertEq(ISafeVault.nonce.selector, ISafe.nonce.selector);
        assertEq(ISafeVault.getTransactionHash.selector, ISafe.getTransactionHash.selector);
        assertEq(ISafeVault.getOwners.selector, IOwnerManager.getOwners.selector);
        assertEq(ISafeVault.getThreshold.selector, IOwnerManager.getThreshold.selector);
        assertEq(ISafeVault.getStorageAt.selector, IStorageAccessible.getStorageAt.selector);
        assertEq(
            ISafeVault.getModulesPaginated.selector, IModuleManager.getModulesPaginated.selector
        );
        assertEq(ISafeVault.enableModule.selector, IModuleManager.enableModule.selector);
        assertEq(
            ISafeVault.checkNSignatures.selector,
            bytes4(keccak256("checkNSignatures(address,bytes32,bytes,uint256)"))
        );
        assertEq(ISafeVault.setGuard.selector, IGuardManager.setGuard.selector);
        assertEq(ISafeVault.setModuleGuard.selector, IModuleManager.setModuleGuard.selector);
        // SafeProxy compares the selector itself, in assembly.
        assertEq(ISafeVault.masterCopy.selector, bytes4(0xa619486e));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISafeVault} from "contracts/interfaces/ISafeVault.sol";

/// @title Reads the parts of a Safe's configuration that decide who controls it.
/// @dev Slots are Safe 1.5.0's; a test compares them with what Safe's own setters write.
library SafeConfiguration {
    /// keccak256("guard_manager.guard.address")
    uint256 internal constant GUARD_SLOT =
        0x4a204f620c8c5ccdca3fd54d003badd85ba500436a431f0cbda4f558c93c34c8;
    /// keccak256("module_manager.module_guard.address")
    uint256 internal constant MODULE_GUARD_SLOT =
        0xb104e0b93118902c651344349b610029d694cfdec91c589c91ebafbcd0289947;
    /// keccak256("fallback_manager.handler.address")
    uint256 internal constant FALLBACK_HANDLER_SLOT =
        0x6c9a6c4a39284e37ed1cf53d337577d14212a4870fb976a4366c693b939918d5;
    /// Head and tail of the Safe's list of modules.
    address internal constant SENTINEL = address(1);

    /// @notice The address kept in one storage slot of `safe`.
    function addressAt(address safe, uint256 slot) internal view returns (address kept) {
        return abi.decode(ISafeVault(safe).getStorageAt(slot, 1), (address));
    }

    /// @notice Whether `module` is the one and only module of `safe`.
    function hasOnlyModule(address safe, address module) internal view returns (bool) {
        (address[] memory modules,) = ISafeVault(safe).getModulesPaginated(SENTINEL, 2);
        return modules.length == 1 && modules[0] == module;
    }

    /// @notice Commits to who must sign: the owners in the Safe's order, and the threshold.
    function peopleHash(address safe) internal view returns (bytes32 digest) {
        return keccak256(abi.encode(ISafeVault(safe).getOwners(), ISafeVault(safe).getThreshold()));
    }
}

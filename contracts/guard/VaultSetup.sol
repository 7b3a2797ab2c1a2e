// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {ISafeVault} from "contracts/interfaces/ISafeVault.sol";

/// @title What a vault's `Safe.setup` delegatecalls: exit, guard in both places, configuration.
/// @notice A vault's address commits to this call with all its arguments (CREATE2 over the
/// initializer), so a vault with another guard, signer, limit or allowlist has another address.
/// @dev Keeps no state. Called other than by delegatecall from a Safe it reverts: it has no
/// `enableModule` of its own.
contract VaultSetup {
    /// @notice Installs exit and guard in the vault under setup.
    /// @param guard the chain's PermitGuard
    /// @param exitModule the chain's VaultExit, the vault's only module
    /// @param permitSigner who issues Permits for this vault
    /// @param limits what the vault may pay out, and how much of it a day
    /// @param destinations addresses that the vault may pay from the first day
    /// @param freezers who may freeze it, ascending
    function install(
        address guard,
        address exitModule,
        address permitSigner,
        IPermitGuard.AssetLimit[] calldata limits,
        address[] calldata destinations,
        address[] calldata freezers
    ) external {
        // Interaction: the Safe's own setters, called by the Safe itself.
        ISafeVault(address(this)).enableModule(exitModule);
        ISafeVault(address(this)).setGuard(guard);
        ISafeVault(address(this)).setModuleGuard(guard);
        IPermitGuard(guard).configure(permitSigner, limits, destinations, freezers);
    }
}

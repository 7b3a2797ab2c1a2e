// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {ISafeVault} from "contracts/interfaces/ISafeVault.sol";

/// @title What a vault's `Safe.setup` delegatecalls: puts the guard in both places, configures it.
/// @notice A vault's address commits to this call with all its arguments (CREATE2 over the
/// initializer), so a vault with another guard, signer or allowlist has another address.
/// @dev Keeps no state. Called other than by delegatecall from a Safe it reverts: it has no
/// `setGuard` of its own.
contract VaultSetup {
    /// @notice Installs `guard` as transaction guard and module guard of the vault under setup.
    /// @param guard the chain's PermitGuard
    /// @param permitSigner who issues Permits for this vault
    /// @param tokens ERC-20 contracts that the vault may pay out
    /// @param destinations addresses that the vault may pay from the first day
    function install(
        address guard,
        address permitSigner,
        address[] calldata tokens,
        address[] calldata destinations
    ) external {
        // Interaction: the Safe's own setters, called by the Safe itself.
        ISafeVault(address(this)).setGuard(guard);
        ISafeVault(address(this)).setModuleGuard(guard);
        IPermitGuard(guard).configure(permitSigner, tokens, destinations);
    }
}

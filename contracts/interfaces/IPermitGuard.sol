// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The guard of all vaults on one chain: nothing leaves without the custodian's Permit.
/// @notice State is keyed by the caller: a vault can only speak for itself. Every execution of a
/// vault needs its people's threshold (checked by the Safe) and one Permit by the vault's permit
/// signer, an EIP-712 signature over the exact Safe transaction, appended to the signatures:
///
///   threshold × 65 bytes   the owners' ECDSA signatures, v = 27 or 28
///   8 bytes                policyVersion, big-endian
///   8 bytes                validUntil, seconds since 1970, big-endian
///   65 bytes               r ‖ s ‖ v of the Permit, low s, v = 27 or 28
///
///   domain  EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)
///           = ("StrongroomGuard", "1", chain, guard)
///   struct  Permit(address safe,bytes32 safeTxHash,uint64 policyVersion,uint64 validUntil)
interface IPermitGuard {
    /// @notice What was fixed for one vault when it was set up.
    /// @param permitSigner the custodian's HSM key; the zero address = not configured
    /// @param policyVersion the highest policy version seen in a Permit; only rises
    /// @param singleton the implementation that the vault's proxy must keep
    /// @param peopleHash keccak256(abi.encode(address[] owners, uint256 threshold))
    struct Vault {
        address permitSigner;
        uint64 policyVersion;
        address singleton;
        bytes32 peopleHash;
    }

    /// @notice A vault's guard was configured.
    event VaultConfigured(
        address indexed safe, address indexed permitSigner, address singleton, bytes32 peopleHash
    );
    /// @notice `token` may be paid out by `safe`.
    event TokenAllowed(address indexed safe, address indexed token);
    /// @notice `destination` may be paid by `safe` from `usableFrom` (block time, seconds) on.
    event DestinationAnnounced(
        address indexed safe, address indexed destination, uint256 usableFrom
    );
    /// @notice `destination` may no longer be paid by `safe`.
    event DestinationRevoked(address indexed safe, address indexed destination);
    /// @notice A Permit was accepted for the execution of `safeTxHash`.
    event PermitAccepted(
        address indexed safe, bytes32 indexed safeTxHash, uint64 policyVersion, uint64 validUntil
    );

    error PermitGuard_NotConfigured(address safe);
    error PermitGuard_AlreadyConfigured(address safe);
    error PermitGuard_NotInSetup(address safe);
    error PermitGuard_PermitSignerIsZero();
    error PermitGuard_TokenHasNoCode(address token);
    error PermitGuard_DestinationNotAllowable(address destination);
    error PermitGuard_DestinationKnown(address destination);
    error PermitGuard_DestinationUnknown(address destination);
    error PermitGuard_DestinationCooling(address destination, uint256 usableFrom);
    error PermitGuard_OperationIsNotCall(uint8 operation);
    error PermitGuard_RefundFieldsNotZero();
    error PermitGuard_NothingToPay();
    error PermitGuard_CallToVaultIsNotRejection();
    error PermitGuard_CallToGuardNotAllowed();
    error PermitGuard_TokenNotAllowed(address token);
    error PermitGuard_CalldataIsNotTransfer();
    error PermitGuard_SignaturesLength(uint256 length, uint256 expected);
    error PermitGuard_SignatureIsNotEcdsa(uint256 slot, uint8 v);
    error PermitGuard_PermitExpired(uint64 validUntil, uint256 blockTime);
    error PermitGuard_PolicyVersionFell(uint64 version, uint64 highest);
    error PermitGuard_PermitNotBySigner(address recovered, address expected);
    error PermitGuard_Reentered(bytes32 running);
    error PermitGuard_NotRunning(bytes32 safeTxHash);
    error PermitGuard_ModuleRefused(address module);
    error PermitGuard_SingletonChanged(address singleton);
    error PermitGuard_GuardRemoved(address guard);
    error PermitGuard_ModuleGuardRemoved(address moduleGuard);
    error PermitGuard_FallbackHandlerSet(address handler);
    error PermitGuard_ModuleEnabled(address module);
    error PermitGuard_PeopleChanged(bytes32 peopleHash);

    /// @notice Binds the calling vault to this guard, once, inside its `setup`.
    /// @dev The whole configuration of the vault is checked here already: a vault that could not
    /// pay is refused at birth. Initial destinations are usable at once: the people who founded
    /// the vault agreed to them, and its address commits to them.
    /// @param permitSigner who issues Permits for this vault
    /// @param tokens ERC-20 contracts that it may pay out
    /// @param destinations addresses that it may pay
    function configure(
        address permitSigner,
        address[] calldata tokens,
        address[] calldata destinations
    ) external;

    /// @notice Adds a destination to the calling vault's allowlist, usable after the cooling time.
    /// Only from within an execution that this guard let through.
    function announceDestination(address destination) external;

    /// @notice Takes a destination off the calling vault's allowlist, at once.
    /// Only from within an execution that this guard let through.
    function revokeDestination(address destination) external;

    /// @notice What was fixed for `safe`.
    function vaultOf(address safe) external view returns (Vault memory vault);

    /// @notice Whether `safe` may pay out `token`.
    function isTokenAllowed(address safe, address token) external view returns (bool allowed);

    /// @notice From which block time on `safe` may pay `destination`; 0 = never.
    function usableFrom(address safe, address destination) external view returns (uint256 time);

    /// @notice The EIP-712 domain separator of Permits.
    function domainSeparator() external view returns (bytes32 separator);

    /// @notice The digest that the permit signer signs.
    function permitDigest(
        address safe,
        bytes32 safeTxHash,
        uint64 policyVersion,
        uint64 validUntil
    ) external view returns (bytes32 digest);
}

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
///   struct  Unfreeze(address safe,uint256 count)   count = `freezeCount(safe)`
///
/// With both, these executions pass, and no others:
///
///   at once    a rejection (to itself, value 0, empty); a payment: native value or an exact
///              `transfer` of a listed asset to a usable destination within the asset's limit; a
///              canonical MultiSendCallOnly batch of 1 to 64 payments; `announce`, `cancel`,
///              `announceDestination`, `revokeDestination`, `lowerLimit` of this guard
///   announced  any other plain call of value 0 that is not to a listed asset's contract, or a
///              canonical batch of such calls: from CHANGE_DELAY_SECONDS after its `announce`,
///              once, for CHANGE_LIFE_SECONDS
///
/// After each execution the vault's configuration must stand. Only an announced change may alter
/// owners and threshold, or replace this guard, in both places, by one that has recorded the vault
/// as it then is. The address zero stands for the chain's native coin.
interface IPermitGuard {
    /// @notice What is fixed for one vault.
    /// @param permitSigner the custodian's HSM key; zero = not configured, or another guard follows
    /// @param policyVersion the highest policy version seen in a Permit; only rises
    /// @param singleton the implementation that the vault's proxy must keep
    /// @param peopleHash keccak256(abi.encode(address[] owners, uint256 threshold))
    struct Vault {
        address permitSigner;
        uint64 policyVersion;
        address singleton;
        bytes32 peopleHash;
    }

    /// @notice An asset that may be paid.
    /// @param token ERC-20 contract; zero = the chain's native coin
    /// @param dayUnits the most that is paid in any 24 hours, in the smallest unit
    struct AssetLimit {
        address token;
        uint128 dayUnits;
    }

    /// @notice A vault's guard was configured.
    event VaultConfigured(
        address indexed safe, address indexed permitSigner, address singleton, bytes32 peopleHash
    );
    /// @notice `safe` may pay out `token`, at most `dayUnits` in any 24 hours.
    event LimitSet(address indexed safe, address indexed token, uint128 dayUnits);
    /// @notice `permitSigner` issues the Permits of `safe` from now on.
    event PermitSignerSet(address indexed safe, address indexed permitSigner);
    /// @notice Any of `freezers` may freeze `safe`.
    event FreezersSet(address indexed safe, address[] freezers);
    /// @notice `destination` may be paid by `safe` from `usableFrom` (block time, seconds) on.
    event DestinationAnnounced(
        address indexed safe, address indexed destination, uint256 usableFrom
    );
    /// @notice `destination` may no longer be paid by `safe`.
    event DestinationRevoked(address indexed safe, address indexed destination);
    /// @notice The change `hash` may be executed by `safe` from `usableFrom` (block time) on.
    event ChangeAnnounced(address indexed safe, bytes32 indexed hash, uint256 usableFrom);
    /// @notice The change `hash` may no longer be executed by `safe`.
    event ChangeCancelled(address indexed safe, bytes32 indexed hash);
    /// @notice The change `hash` is executed by `safe`, and never again without announcement.
    event ChangeUsed(address indexed safe, bytes32 indexed hash);
    /// @notice Owners or threshold of `safe` were changed by an announced change.
    event PeopleChanged(address indexed safe, bytes32 peopleHash);
    /// @notice `safe` has another guard now; this one is finished for it.
    event GuardSucceeded(address indexed safe, address indexed successor);
    /// @notice `safe` pays nothing before `until`; nor can it exit before `exitUntil`.
    event Frozen(
        address indexed safe, address indexed freezer, uint256 until, uint256 exitUntil
    );
    /// @notice The people of `safe` ended its freeze.
    event Unfrozen(address indexed safe, uint256 count);
    /// @notice A Permit was accepted for the execution of `safeTxHash`.
    event PermitAccepted(
        address indexed safe, bytes32 indexed safeTxHash, uint64 policyVersion, uint64 validUntil
    );

    error PermitGuard_ContractHasNoCode(address place);
    error PermitGuard_NotConfigured(address safe);
    error PermitGuard_AlreadyConfigured(address safe);
    error PermitGuard_PermitSignerIsZero();
    error PermitGuard_AssetNotAllowable(address token);
    error PermitGuard_AssetNotListed(address token);
    error PermitGuard_AssetListedTwice(address token);
    error PermitGuard_LimitNotLower(address token, uint128 dayUnits, uint128 present);
    error PermitGuard_LimitExceeded(
        address token, uint256 units, uint256 spentUnits, uint256 dayUnits
    );
    error PermitGuard_FreezersNotAscending(address freezer);
    error PermitGuard_TooManyFreezers(uint256 count, uint256 most);
    error PermitGuard_DestinationNotAllowable(address destination);
    error PermitGuard_DestinationKnown(address destination);
    error PermitGuard_DestinationUnknown(address destination);
    error PermitGuard_DestinationCooling(address destination, uint256 usableFrom);
    error PermitGuard_ChangeKnown(bytes32 hash);
    error PermitGuard_ChangeNotAnnounced(bytes32 hash);
    error PermitGuard_ChangeTooEarly(bytes32 hash, uint256 usableFrom);
    error PermitGuard_ChangeExpired(bytes32 hash, uint256 usableUntil);
    error PermitGuard_ChangeMovesMoney(address to, uint256 value);
    error PermitGuard_OnlyInChange();
    error PermitGuard_DelegatecallRefused(address to);
    error PermitGuard_RefundFieldsNotZero();
    error PermitGuard_NothingToPay();
    error PermitGuard_CalldataIsNotTransfer();
    error PermitGuard_BatchTooLong(uint256 most);
    error PermitGuard_SignaturesLength(uint256 length, uint256 expected);
    error PermitGuard_SignatureIsNotEcdsa(uint256 slot, uint8 v);
    error PermitGuard_PermitExpired(uint64 validUntil, uint256 blockTime);
    error PermitGuard_PolicyVersionFell(uint64 version, uint64 highest);
    error PermitGuard_PermitNotBySigner(address recovered, address expected);
    error PermitGuard_Reentered(bytes32 running);
    error PermitGuard_NotRunning(bytes32 safeTxHash);
    error PermitGuard_ModuleRefused(address module);
    error PermitGuard_SingletonChanged(address singleton);
    error PermitGuard_SingletonHasNoCode(address singleton);
    error PermitGuard_GuardRemoved(address guard);
    error PermitGuard_ModuleGuardRemoved(address moduleGuard);
    error PermitGuard_FallbackHandlerSet(address handler);
    error PermitGuard_ModulesChanged();
    error PermitGuard_PeopleChanged(bytes32 peopleHash);
    error PermitGuard_Frozen(uint256 until);
    error PermitGuard_FrozenLately(uint256 again);
    error PermitGuard_NotFrozen(address safe);
    error PermitGuard_NotFreezer(address caller);
    error PermitGuard_ExitFrozen(uint256 until);

    /// @notice Binds the calling vault to this guard, once for ever: inside the vault's `setup`,
    /// or in the batch by which an existing Safe comes here, also from an earlier guard.
    /// @dev Demanded at its end: this guard in both places, no fallback handler, the exit as the
    /// only module, an implementation with code. Initial destinations are usable at once: the
    /// people agreed to them with the rest, and a new vault's address commits to them.
    /// @param permitSigner who issues Permits for this vault
    /// @param limits what it may pay out
    /// @param destinations addresses that it may pay
    /// @param freezers who may freeze it, ascending, at most 16
    function configure(
        address permitSigner,
        AssetLimit[] calldata limits,
        address[] calldata destinations,
        address[] calldata freezers
    ) external;

    /// @notice Begins the delay of one exact execution of the calling vault, `changeHash` of it.
    /// Only from within an execution that this guard let through. Reverts while an announcement of
    /// the same hash is usable or in its delay; an expired one may be announced again.
    function announce(bytes32 hash) external;

    /// @notice Ends an announcement of the calling vault without effect.
    /// Only from within an execution that this guard let through.
    function cancel(bytes32 hash) external;

    /// @notice Adds a destination to the calling vault's allowlist, usable after the cooling time.
    /// Only from within an execution that this guard let through.
    function announceDestination(address destination) external;

    /// @notice Takes a destination off the calling vault's allowlist, at once.
    /// Only from within an execution that this guard let through.
    function revokeDestination(address destination) external;

    /// @notice Lowers the limit of a listed asset of the calling vault, at once; zero stops it.
    /// Only from within an execution that this guard let through.
    function lowerLimit(address token, uint128 dayUnits) external;

    /// @notice Lists an asset of the calling vault, or sets its limit. What was spent stays counted.
    /// Only from within an announced change.
    function setLimit(address token, uint128 dayUnits) external;

    /// @notice Replaces the calling vault's permit signer. Only from within an announced change.
    function setPermitSigner(address permitSigner) external;

    /// @notice Replaces the calling vault's freezers. Only from within an announced change.
    function setFreezers(address[] calldata freezers) external;

    /// @notice Holds `safe` up for FREEZE_SECONDS; then it cannot be frozen again for as long.
    /// Callable by its freezers. A pending exit is held up too, once for each announcement. While
    /// frozen pass: rejections, `cancel`, `revokeDestination`, `lowerLimit`.
    function freeze(address safe) external;

    /// @notice Ends the freeze of `safe`, of the exit too. Callable by anybody with signatures over
    /// `unfreezeDigest(safe, freezeCount(safe))` by as many owners as the threshold says, as
    /// `checkNSignatures` wants them. No Permit is needed.
    function unfreeze(address safe, bytes calldata signatures) external;

    /// @notice What is fixed for `safe`.
    function vaultOf(address safe) external view returns (Vault memory vault);

    /// @notice Whether `safe` may pay out `token`.
    function isTokenAllowed(address safe, address token) external view returns (bool allowed);

    /// @notice The limit of `token` for `safe`, and what counts against it now.
    function limitOf(address safe, address token)
        external
        view
        returns (bool listed, uint128 dayUnits, uint256 spentUnits);

    /// @notice From which block time on `safe` may pay `destination`; 0 = never.
    function usableFrom(address safe, address destination) external view returns (uint256 time);

    /// @notice From which block time on `safe` may execute the change; 0 = not announced, or used,
    /// or cancelled. It is usable for CHANGE_LIFE_SECONDS from then on.
    function changeUsableFrom(address safe, bytes32 hash) external view returns (uint256 time);

    /// @notice Who may freeze `safe`.
    function freezersOf(address safe) external view returns (address[] memory freezers);

    /// @notice Until when (block time) `safe` is frozen, or was the last time.
    function frozenUntil(address safe) external view returns (uint256 time);

    /// @notice Until when (block time) the exit of `safe` is held up, or was the last time.
    function exitFrozenUntil(address safe) external view returns (uint256 time);

    /// @notice How often `safe` was frozen: the count of an Unfreeze, dead with the next freeze.
    function freezeCount(address safe) external view returns (uint256 count);

    /// @notice The only module that a vault has, and the only one that passes.
    function exitModule() external view returns (address);

    /// @notice The only contract that a vault delegatecalls.
    function multiSendCallOnly() external view returns (address);

    /// @notice keccak256(abi.encode(to, value, keccak256(data), operation)).
    function changeHash(address to, uint256 value, bytes calldata data, uint8 operation)
        external
        pure
        returns (bytes32 hash);

    /// @notice The EIP-712 domain separator of Permit and Unfreeze.
    function domainSeparator() external view returns (bytes32 separator);

    /// @notice The digest that the permit signer signs.
    function permitDigest(
        address safe,
        bytes32 safeTxHash,
        uint64 policyVersion,
        uint64 validUntil
    ) external view returns (bytes32 digest);

    /// @notice The digest that owners sign to end a freeze.
    function unfreezeDigest(address safe, uint256 count) external view returns (bytes32 digest);
}

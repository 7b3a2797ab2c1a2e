// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SlotDerivation} from "@openzeppelin/contracts/utils/SlotDerivation.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {ITransactionGuard} from "@safe-global/safe-smart-account/contracts/base/GuardManager.sol";
import {IModuleGuard} from "@safe-global/safe-smart-account/contracts/base/ModuleManager.sol";
import {IERC165} from "@safe-global/safe-smart-account/contracts/interfaces/IERC165.sol";
import {Enum} from "@safe-global/safe-smart-account/contracts/libraries/Enum.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {ISafeVault} from "contracts/interfaces/ISafeVault.sol";
import {CanonicalCall} from "contracts/libraries/CanonicalCall.sol";
import {PermitTail} from "contracts/libraries/PermitTail.sol";
import {SafeConfiguration} from "contracts/libraries/SafeConfiguration.sol";

/// @title Transaction guard and module guard of every vault on one chain.
/// @notice `IPermitGuard` says what it promises. It holds no funds, has no owner and no upgrade;
/// each vault's state is keyed by the vault, which is always the caller.
contract PermitGuard is IPermitGuard, ITransactionGuard, IModuleGuard {
    using CanonicalCall for bytes;
    using SafeConfiguration for address;
    using SlotDerivation for bytes32;
    using TransientSlot for bytes32;
    using TransientSlot for TransientSlot.Bytes32Slot;

    /// How long an announced destination cools before it can be paid.
    uint256 public constant COOLING_SECONDS = 1 days;

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant PERMIT_TYPEHASH = keccak256(
        "Permit(address safe,bytes32 safeTxHash,uint64 policyVersion,uint64 validUntil)"
    );
    bytes32 private constant NAME_HASH = keccak256("StrongroomGuard");
    bytes32 private constant VERSION_HASH = keccak256("1");
    bytes4 private constant TRANSFER = 0xa9059cbb; // transfer(address,uint256)
    /// Transient; derived per vault: the hash of the transaction that runs now, zero if none.
    bytes32 private constant RUNNING_SLOT = keccak256("strongroom.PermitGuard.running");

    mapping(address safe => Vault) private _vaults;
    mapping(address safe => mapping(address token => bool)) private _tokenAllowed;
    mapping(address safe => mapping(address destination => uint256)) private _usableFrom;

    /// @inheritdoc IPermitGuard
    function configure(
        address permitSigner,
        address[] calldata tokens,
        address[] calldata destinations
    ) external {
        // Check: once, and before the vault's first transaction. No module exists (see
        // `_checkControls`), so at nonce 0 the vault can call nothing but in its `setup`.
        Vault storage vault = _vaults[msg.sender];
        if (vault.permitSigner != address(0)) revert PermitGuard_AlreadyConfigured(msg.sender);
        if (permitSigner == address(0)) revert PermitGuard_PermitSignerIsZero();
        if (ISafeVault(msg.sender).nonce() != 0) revert PermitGuard_NotInSetup(msg.sender);
        _checkControls();

        // Effect: record what must stay as it is.
        vault.permitSigner = permitSigner;
        vault.singleton = ISafeVault(msg.sender).masterCopy();
        vault.peopleHash = msg.sender.peopleHash();
        emit VaultConfigured(msg.sender, permitSigner, vault.singleton, vault.peopleHash);
        for (uint256 i = 0; i < tokens.length; ++i) {
            if (tokens[i].code.length == 0) revert PermitGuard_TokenHasNoCode(tokens[i]);
            _tokenAllowed[msg.sender][tokens[i]] = true;
            emit TokenAllowed(msg.sender, tokens[i]);
        }
        for (uint256 i = 0; i < destinations.length; ++i) {
            _allow(destinations[i], block.timestamp);
        }
    }

    /// @inheritdoc IPermitGuard
    function announceDestination(address destination) external {
        _checkRunning();
        _allow(destination, block.timestamp + COOLING_SECONDS);
    }

    /// @inheritdoc IPermitGuard
    function revokeDestination(address destination) external {
        _checkRunning();
        if (_usableFrom[msg.sender][destination] == 0) {
            revert PermitGuard_DestinationUnknown(destination);
        }
        delete _usableFrom[msg.sender][destination];
        emit DestinationRevoked(msg.sender, destination);
    }

    /// @inheritdoc ITransactionGuard
    /// @dev The Safe has verified its owners' signatures before it calls this.
    function checkTransaction(
        address to,
        uint256 value,
        bytes calldata data,
        Enum.Operation operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address payable refundReceiver,
        bytes calldata signatures,
        address /* msgSender */
    ) external {
        // Check: a plain call without refund, to a place that it may go to.
        if (_vaults[msg.sender].permitSigner == address(0)) {
            revert PermitGuard_NotConfigured(msg.sender);
        }
        if (operation != Enum.Operation.Call) {
            revert PermitGuard_OperationIsNotCall(uint8(operation));
        }
        if (
            safeTxGas != 0 || baseGas != 0 || gasPrice != 0 || gasToken != address(0)
                || refundReceiver != address(0)
        ) revert PermitGuard_RefundFieldsNotZero();
        _checkCall(to, value, data);

        // Check and effect: the Permit for this very transaction; then the lock.
        bytes32 safeTxHash = _runningHash(to, value, data);
        _acceptPermit(safeTxHash, signatures);
        _enter(safeTxHash);
    }

    /// @inheritdoc ITransactionGuard
    function checkAfterExecution(bytes32 hash, bool /* success */) external {
        TransientSlot.Bytes32Slot running = _running();
        if (hash == bytes32(0) || running.tload() != hash) revert PermitGuard_NotRunning(hash);
        running.tstore(bytes32(0));
        _checkControls();
        Vault storage vault = _vaults[msg.sender];
        address singleton = ISafeVault(msg.sender).masterCopy();
        if (singleton != vault.singleton) revert PermitGuard_SingletonChanged(singleton);
        bytes32 peopleHash = msg.sender.peopleHash();
        if (peopleHash != vault.peopleHash) revert PermitGuard_PeopleChanged(peopleHash);
    }

    /// @inheritdoc IModuleGuard
    /// @dev No vault has a module yet; the exit module will be the one that passes here.
    function checkModuleTransaction(
        address, /* to */
        uint256, /* value */
        bytes calldata, /* data */
        Enum.Operation, /* operation */
        address module
    ) external pure returns (bytes32) {
        revert PermitGuard_ModuleRefused(module);
    }

    /// @inheritdoc IModuleGuard
    function checkAfterModuleExecution(bytes32 txHash, bool /* success */) external pure {
        revert PermitGuard_NotRunning(txHash);
    }

    /// @inheritdoc IPermitGuard
    function vaultOf(address safe) external view returns (Vault memory vault) {
        return _vaults[safe];
    }

    /// @inheritdoc IPermitGuard
    function isTokenAllowed(address safe, address token) external view returns (bool allowed) {
        return _tokenAllowed[safe][token];
    }

    /// @inheritdoc IPermitGuard
    function usableFrom(address safe, address destination) external view returns (uint256 time) {
        return _usableFrom[safe][destination];
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(ITransactionGuard).interfaceId
            || interfaceId == type(IModuleGuard).interfaceId
            || interfaceId == type(IERC165).interfaceId;
    }

    /// @inheritdoc IPermitGuard
    /// @dev Computed each time: the bytecode is then the same on every chain.
    function domainSeparator() public view returns (bytes32 separator) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this))
        );
    }

    /// @inheritdoc IPermitGuard
    function permitDigest(
        address safe,
        bytes32 safeTxHash,
        uint64 policyVersion,
        uint64 validUntil
    ) public view returns (bytes32 digest) {
        return MessageHashUtils.toTypedDataHash(
            domainSeparator(),
            keccak256(abi.encode(PERMIT_TYPEHASH, safe, safeTxHash, policyVersion, validUntil))
        );
    }

    /// Puts `destination` on the caller's allowlist, once. The vault and the guard have rules of
    /// their own, and what is paid to a token's contract is lost.
    function _allow(address destination, uint256 time) private {
        if (
            destination == address(0) || destination == msg.sender || destination == address(this)
                || _tokenAllowed[msg.sender][destination]
        ) revert PermitGuard_DestinationNotAllowable(destination);
        if (_usableFrom[msg.sender][destination] != 0) {
            revert PermitGuard_DestinationKnown(destination);
        }
        _usableFrom[msg.sender][destination] = time;
        emit DestinationAnnounced(msg.sender, destination, time);
    }

    /// Verifies the Permit behind the owners' signatures; lets the policy version rise.
    function _acceptPermit(bytes32 safeTxHash, bytes calldata signatures) private {
        uint256 threshold = ISafeVault(msg.sender).getThreshold();
        _checkSignatureForm(signatures, threshold);
        (uint64 policyVersion, uint64 validUntil, bytes calldata signature) =
            PermitTail.parse(signatures, threshold * PermitTail.SIGNATURE_LENGTH);
        if (block.timestamp > validUntil) {
            revert PermitGuard_PermitExpired(validUntil, block.timestamp);
        }
        Vault storage vault = _vaults[msg.sender];
        if (policyVersion < vault.policyVersion) {
            revert PermitGuard_PolicyVersionFell(policyVersion, vault.policyVersion);
        }
        bytes32 digest = permitDigest(msg.sender, safeTxHash, policyVersion, validUntil);
        // OpenZeppelin refuses high s, a v other than 27 and 28, and the zero address.
        address recovered = ECDSA.recover(digest, signature);
        if (recovered != vault.permitSigner) {
            revert PermitGuard_PermitNotBySigner(recovered, vault.permitSigner);
        }
        if (policyVersion > vault.policyVersion) vault.policyVersion = policyVersion;
        emit PermitAccepted(msg.sender, safeTxHash, policyVersion, validUntil);
    }

    function _enter(bytes32 safeTxHash) private {
        TransientSlot.Bytes32Slot running = _running();
        bytes32 other = running.tload();
        if (other != bytes32(0)) revert PermitGuard_Reentered(other);
        running.tstore(safeTxHash);
    }

    /// Native value or an exact transfer to a usable destination, a rejection, or a change of the
    /// allowlist; nothing else.
    function _checkCall(address to, uint256 value, bytes calldata data) private view {
        if (to == msg.sender) {
            if (value != 0 || data.length != 0) revert PermitGuard_CallToVaultIsNotRejection();
        } else if (to == address(this)) {
            if (
                value != 0
                    || !(data.isOneAddress(IPermitGuard.announceDestination.selector)
                        || data.isOneAddress(IPermitGuard.revokeDestination.selector))
            ) revert PermitGuard_CallToGuardNotAllowed();
        } else if (data.length == 0) {
            if (value == 0) revert PermitGuard_NothingToPay();
            _checkDestination(to);
        } else {
            if (!_tokenAllowed[msg.sender][to]) revert PermitGuard_TokenNotAllowed(to);
            if (value != 0 || !data.isAddressAndAmount(TRANSFER)) {
                revert PermitGuard_CalldataIsNotTransfer();
            }
            if (data.amount() == 0) revert PermitGuard_NothingToPay();
            _checkDestination(data.firstAddress());
        }
    }

    function _checkDestination(address destination) private view {
        uint256 time = _usableFrom[msg.sender][destination];
        if (time == 0) revert PermitGuard_DestinationUnknown(destination);
        if (block.timestamp < time) revert PermitGuard_DestinationCooling(destination, time);
    }

    /// Who else could move the vault's money: nobody, as long as these four stand.
    function _checkControls() private view {
        address guard = msg.sender.addressAt(SafeConfiguration.GUARD_SLOT);
        if (guard != address(this)) revert PermitGuard_GuardRemoved(guard);
        address moduleGuard = msg.sender.addressAt(SafeConfiguration.MODULE_GUARD_SLOT);
        if (moduleGuard != address(this)) revert PermitGuard_ModuleGuardRemoved(moduleGuard);
        address handler = msg.sender.addressAt(SafeConfiguration.FALLBACK_HANDLER_SLOT);
        if (handler != address(0)) revert PermitGuard_FallbackHandlerSet(handler);
        address module = msg.sender.firstModule();
        if (module != address(0)) revert PermitGuard_ModuleEnabled(module);
    }

    function _checkRunning() private view {
        if (_running().tload() == bytes32(0)) revert PermitGuard_NotRunning(bytes32(0));
    }

    /// The hash that the owners signed: during execution the nonce has already been counted up.
    function _runningHash(address to, uint256 value, bytes calldata data)
        private
        view
        returns (bytes32)
    {
        ISafeVault safe = ISafeVault(msg.sender);
        uint256 nonce = safe.nonce() - 1;
        return safe.getTransactionHash(
            to, value, data, 0, 0, 0, 0, address(0), address(0), nonce
        );
    }

    function _running() private view returns (TransientSlot.Bytes32Slot) {
        return RUNNING_SLOT.deriveMapping(msg.sender).asBytes32();
    }

    /// Exactly threshold ECDSA signatures of people and one tail: no contract signature, no
    /// approved hash, no eth_sign, nothing hidden between or behind.
    function _checkSignatureForm(bytes calldata signatures, uint256 threshold) private pure {
        uint256 expected = threshold * PermitTail.SIGNATURE_LENGTH + PermitTail.LENGTH;
        if (signatures.length != expected) {
            revert PermitGuard_SignaturesLength(signatures.length, expected);
        }
        for (uint256 slot = 0; slot < threshold; ++slot) {
            uint8 v = PermitTail.ownerV(signatures, slot);
            if (v != 27 && v != 28) revert PermitGuard_SignatureIsNotEcdsa(slot, v);
        }
    }
}

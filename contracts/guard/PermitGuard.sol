// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {
    ITransactionGuard
} from "@safe-global/safe-smart-account/contracts/base/GuardManager.sol";
import {IModuleGuard} from "@safe-global/safe-smart-account/contracts/base/ModuleManager.sol";
import {IERC165} from "@safe-global/safe-smart-account/contracts/interfaces/IERC165.sol";
import {Enum} from "@safe-global/safe-smart-account/contracts/libraries/Enum.sol";
import {VaultFreeze} from "contracts/guard/VaultFreeze.sol";
import {VaultRules} from "contracts/guard/VaultRules.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {ISafeVault} from "contracts/interfaces/ISafeVault.sol";
import {CanonicalBatch} from "contracts/libraries/CanonicalBatch.sol";
import {CanonicalCall} from "contracts/libraries/CanonicalCall.sol";
import {PermitTail} from "contracts/libraries/PermitTail.sol";
import {RunningTransaction} from "contracts/libraries/RunningTransaction.sol";
import {SafeConfiguration} from "contracts/libraries/SafeConfiguration.sol";

/// @title Transaction guard and module guard of every vault on one chain.
/// @notice `IPermitGuard` says what it promises. It holds no funds, has no owner and no upgrade;
/// each vault's state is keyed by the vault, which is always the caller.
contract PermitGuard is VaultFreeze, ITransactionGuard, IModuleGuard {
    using CanonicalBatch for bytes;
    using CanonicalCall for bytes;
    using SafeConfiguration for address;

    bytes4 private constant TRANSFER = 0xa9059cbb; // transfer(address,uint256)

    /// @param exitModule_ the chain's VaultExit
    /// @param multiSendCallOnly_ Safe 1.5.0's MultiSendCallOnly
    constructor(address exitModule_, address multiSendCallOnly_)
        VaultRules(exitModule_, multiSendCallOnly_)
    {}

    /// @inheritdoc IPermitGuard
    function configure(
        address permitSigner,
        AssetLimit[] calldata limits,
        address[] calldata destinations,
        address[] calldata freezers
    ) external {
        // Check: once for ever, and the vault is already what each later transaction must leave.
        Vault storage vault = _vaults[msg.sender];
        if (vault.singleton != address(0)) revert PermitGuard_AlreadyConfigured(msg.sender);
        address singleton = ISafeVault(msg.sender).masterCopy();
        if (singleton.code.length == 0) revert PermitGuard_SingletonHasNoCode(singleton);
        _checkGuards();
        _checkControls();

        // Effect: record what must stay as it is.
        vault.singleton = singleton;
        vault.peopleHash = msg.sender.peopleHash();
        emit VaultConfigured(msg.sender, permitSigner, singleton, vault.peopleHash);
        _setPermitSigner(permitSigner);
        for (uint256 i = 0; i < limits.length; ++i) {
            address token = limits[i].token;
            if (_isListed(token)) revert PermitGuard_AssetListedTwice(token);
            _setLimit(token, limits[i].dayUnits);
        }
        for (uint256 i = 0; i < destinations.length; ++i) {
            _allow(destinations[i], block.timestamp);
        }
        _setFreezers(freezers);
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
        // Check: nothing runs, nothing is paid beside (to, value, data), our Permit is for this.
        if (_vaults[msg.sender].permitSigner == address(0)) {
            revert PermitGuard_NotConfigured(msg.sender);
        }
        bytes32 other = RunningTransaction.hashOf(msg.sender);
        if (other != bytes32(0)) revert PermitGuard_Reentered(other);
        if (
            safeTxGas != 0 || baseGas != 0 || gasPrice != 0 || gasToken != address(0)
                || refundReceiver != address(0)
        ) revert PermitGuard_RefundFieldsNotZero();
        bytes32 safeTxHash = _runningHash(to, value, data, operation);
        _acceptPermit(safeTxHash, signatures);

        // Check and effect: it may be done, and is counted; then the lock.
        bool isChange = _accept(to, value, data, operation == Enum.Operation.DelegateCall);
        RunningTransaction.begin(msg.sender, safeTxHash, isChange);
    }

    /// @inheritdoc ITransactionGuard
    function checkAfterExecution(bytes32 hash, bool /* success */) external {
        // Check and effect: the lock opens for the transaction that shut it.
        if (hash == bytes32(0) || RunningTransaction.hashOf(msg.sender) != hash) {
            revert PermitGuard_NotRunning(hash);
        }
        bool isChange = RunningTransaction.isChange(msg.sender);
        RunningTransaction.end(msg.sender);

        // Check: the vault is what it was.
        Vault storage vault = _vaults[msg.sender];
        _checkControls();
        address singleton = ISafeVault(msg.sender).masterCopy();
        if (singleton != vault.singleton) revert PermitGuard_SingletonChanged(singleton);
        bytes32 peopleHash = msg.sender.peopleHash();
        if (!isChange) {
            _checkGuards();
            if (peopleHash != vault.peopleHash) revert PermitGuard_PeopleChanged(peopleHash);
            return;
        }

        // Effect: what an announced change may alter.
        if (peopleHash != vault.peopleHash) {
            vault.peopleHash = peopleHash;
            emit PeopleChanged(msg.sender, peopleHash);
        }
        address guard = msg.sender.addressAt(SafeConfiguration.GUARD_SLOT);
        if (guard == address(this)) _checkGuards();
        else _handOver(guard);
    }

    /// @inheritdoc IModuleGuard
    /// @dev The exit passes, first of all: a module guard that reverts would shut people in.
    function checkModuleTransaction(
        address, /* to */
        uint256, /* value */
        bytes calldata, /* data */
        Enum.Operation, /* operation */
        address module
    ) external view returns (bytes32) {
        if (module != exitModule) revert PermitGuard_ModuleRefused(module);
        _checkExitNotFrozen();
        return bytes32(0);
    }

    /// @inheritdoc IModuleGuard
    /// @dev Nothing to add: the exit has one fixed effect, which is this guard's end.
    function checkAfterModuleExecution(bytes32, /* txHash */ bool /* success */) external pure {}

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(ITransactionGuard).interfaceId
            || interfaceId == type(IModuleGuard).interfaceId
            || interfaceId == type(IERC165).interfaceId;
    }

    /// Lets the transaction through by what it is, and counts it; or reverts.
    function _accept(address to, uint256 value, bytes calldata data, bool isDelegatecall)
        private
        returns (bool isChange)
    {
        if (!isDelegatecall && _tightens(to, value, data)) return false;
        _checkNotFrozen();
        if (!isDelegatecall && _beginsDelay(to, value, data)) return false;
        if (!isDelegatecall && (data.length == 0 || _isListed(to))) {
            _pay(to, value, data);
            return false;
        }
        if (isDelegatecall && (to != multiSendCallOnly || value != 0)) {
            revert PermitGuard_DelegatecallRefused(to);
        }
        bytes32 hash = changeHash(to, value, data, isDelegatecall ? 1 : 0);
        isChange = !isDelegatecall || _isAnnounced(hash);
        if (isChange) _useChange(hash);
        if (isDelegatecall) _acceptBatch(data, isChange);
        else _checkMovesNothing(to, value);
    }

    /// 1 to 64 payments, or 1 to 64 calls of an announced change.
    function _acceptBatch(bytes calldata data, bool isChange) private {
        bytes calldata packed = data.items();
        uint256 position = 0;
        for (uint256 i = 0; position < packed.length; ++i) {
            if (i == CanonicalBatch.ITEMS_MAX) {
                revert PermitGuard_BatchTooLong(CanonicalBatch.ITEMS_MAX);
            }
            (address to, uint256 value, bytes calldata inner, uint256 end) = packed.item(position);
            if (isChange) _checkMovesNothing(to, value);
            else _pay(to, value, inner);
            position = end;
        }
    }

    /// Native value or an exact transfer.
    function _pay(address to, uint256 value, bytes calldata data) private {
        if (data.length == 0) return _spend(NATIVE, to, value);
        if (to == NATIVE || !_isListed(to)) revert PermitGuard_AssetNotListed(to);
        if (value != 0 || !data.isAddressAndAmount(TRANSFER)) {
            revert PermitGuard_CalldataIsNotTransfer();
        }
        _spend(to, data.firstAddress(), data.amount());
    }

    /// Both slots hold one other guard, which has recorded the vault as it is: this one ends.
    function _handOver(address successor) private {
        if (successor == address(0)) revert PermitGuard_GuardRemoved(successor);
        address moduleGuard = msg.sender.addressAt(SafeConfiguration.MODULE_GUARD_SLOT);
        if (moduleGuard != successor) revert PermitGuard_ModuleGuardRemoved(moduleGuard);
        Vault storage vault = _vaults[msg.sender];
        Vault memory there = IPermitGuard(successor).vaultOf(msg.sender);
        if (
            there.permitSigner == address(0) || there.singleton != vault.singleton
                || there.peopleHash != vault.peopleHash
        ) revert PermitGuard_GuardRemoved(successor);
        vault.permitSigner = address(0);
        emit GuardSucceeded(msg.sender, successor);
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

    /// A rejection, or a call of this guard that takes something away: passes also while frozen.
    function _tightens(address to, uint256 value, bytes calldata data)
        private
        view
        returns (bool)
    {
        if (value != 0) return false;
        if (to == msg.sender) return data.length == 0;
        return to == address(this)
            && (data.isOneWord(IPermitGuard.cancel.selector)
                || data.isOneAddress(IPermitGuard.revokeDestination.selector)
                || data.isAddressAndAmount(IPermitGuard.lowerLimit.selector));
    }

    /// A call of this guard that grants nothing today.
    function _beginsDelay(address to, uint256 value, bytes calldata data)
        private
        view
        returns (bool)
    {
        return to == address(this) && value == 0
            && (data.isOneWord(IPermitGuard.announce.selector)
                || data.isOneAddress(IPermitGuard.announceDestination.selector));
    }

    /// One call of an announced change: it carries no coin and touches no listed asset.
    function _checkMovesNothing(address to, uint256 value) private view {
        if (value != 0 || _isListed(to) || to == multiSendCallOnly) {
            revert PermitGuard_ChangeMovesMoney(to, value);
        }
    }

    function _checkGuards() private view {
        address guard = msg.sender.addressAt(SafeConfiguration.GUARD_SLOT);
        if (guard != address(this)) revert PermitGuard_GuardRemoved(guard);
        address moduleGuard = msg.sender.addressAt(SafeConfiguration.MODULE_GUARD_SLOT);
        if (moduleGuard != address(this)) revert PermitGuard_ModuleGuardRemoved(moduleGuard);
    }

    /// Who else could move the vault's money: nobody, as long as these two stand.
    function _checkControls() private view {
        address handler = msg.sender.addressAt(SafeConfiguration.FALLBACK_HANDLER_SLOT);
        if (handler != address(0)) revert PermitGuard_FallbackHandlerSet(handler);
        if (!msg.sender.hasOnlyModule(exitModule)) revert PermitGuard_ModulesChanged();
    }

    /// The hash that the owners signed: during execution the nonce has already been counted up.
    function _runningHash(
        address to,
        uint256 value,
        bytes calldata data,
        Enum.Operation operation
    ) private view returns (bytes32) {
        ISafeVault safe = ISafeVault(msg.sender);
        uint256 nonce = safe.nonce() - 1;
        return safe.getTransactionHash(
            to, value, data, uint8(operation), 0, 0, 0, address(0), address(0), nonce
        );
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

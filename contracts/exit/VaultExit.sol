// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {
    IGuardManager
} from "@safe-global/safe-smart-account/contracts/interfaces/IGuardManager.sol";
import {
    IModuleManager
} from "@safe-global/safe-smart-account/contracts/interfaces/IModuleManager.sol";
import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {Enum} from "@safe-global/safe-smart-account/contracts/libraries/Enum.sol";
import {IVaultExit} from "contracts/interfaces/IVaultExit.sol";

/// @title The only module of a vault: its people's way out.
/// @notice `IVaultExit` says what it promises. It holds no funds and has no owner; each vault's
/// state is keyed by the vault, and a Safe that lies can only hurt itself.
contract VaultExit is IVaultExit {
    /// How long everybody can see an announced exit before it can end.
    uint256 public constant EXIT_DELAY_SECONDS = 7 days;

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant ANNOUNCE_TYPEHASH = keccak256("Announce(address safe,uint256 id)");
    bytes32 private constant CANCEL_TYPEHASH = keccak256("Cancel(address safe,uint256 id)");
    bytes32 private constant NAME_HASH = keccak256("StrongroomExit");
    bytes32 private constant VERSION_HASH = keccak256("1");

    struct Announcement {
        uint128 id;
        uint128 usableFrom;
    }

    mapping(address safe => Announcement) private _announcements;

    /// @inheritdoc IVaultExit
    function announce(address safe, bytes calldata signatures) external {
        // Check: none is pending, and the people want it.
        Announcement storage last = _announcements[safe];
        if (last.usableFrom != 0) revert VaultExit_AlreadyAnnounced(safe, last.id);
        uint128 id = last.id + 1;
        _checkSignatures(
            safe, announceDigest(safe, id), signatures, ISafe(payable(safe)).getThreshold()
        );

        // Effect
        uint128 usableFrom = uint128(block.timestamp + EXIT_DELAY_SECONDS);
        _announcements[safe] = Announcement({id: id, usableFrom: usableFrom});
        emit ExitAnnounced(safe, id, usableFrom);
    }

    /// @inheritdoc IVaultExit
    function cancel(address safe, bytes calldata signatures) external {
        // Check: one is pending, and too few people are left who want it.
        uint128 id = _pending(safe).id;
        uint256 owners = ISafe(payable(safe)).getOwners().length;
        uint256 required = owners - ISafe(payable(safe)).getThreshold() + 1;
        _checkSignatures(safe, cancelDigest(safe, id), signatures, required);

        // Effect
        _announcements[safe].usableFrom = 0;
        emit ExitCancelled(safe, id);
    }

    /// @inheritdoc IVaultExit
    function leave(address safe) external {
        // Check
        Announcement memory pending = _pending(safe);
        if (block.timestamp < pending.usableFrom) {
            revert VaultExit_TooEarly(pending.usableFrom, block.timestamp);
        }

        // Effect
        _announcements[safe].usableFrom = 0;
        emit VaultLeft(safe, pending.id);

        // Interaction: the module guard goes last, so that it sees both calls.
        _execute(safe, abi.encodeCall(IGuardManager.setGuard, (address(0))));
        _execute(safe, abi.encodeCall(IModuleManager.setModuleGuard, (address(0))));
    }

    /// @inheritdoc IVaultExit
    function announcementOf(address safe) external view returns (uint256 id, uint256 usableFrom) {
        Announcement memory last = _announcements[safe];
        return (last.id, last.usableFrom);
    }

    /// @inheritdoc IVaultExit
    function announceDigest(address safe, uint256 id) public view returns (bytes32 digest) {
        return _digest(ANNOUNCE_TYPEHASH, safe, id);
    }

    /// @inheritdoc IVaultExit
    function cancelDigest(address safe, uint256 id) public view returns (bytes32 digest) {
        return _digest(CANCEL_TYPEHASH, safe, id);
    }

    /// @inheritdoc IVaultExit
    /// @dev Computed each time: the bytecode is then the same on every chain.
    function domainSeparator() public view returns (bytes32 separator) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this))
        );
    }

    function _execute(address safe, bytes memory data) private {
        bool done =
            ISafe(payable(safe)).execTransactionFromModule(safe, 0, data, Enum.Operation.Call);
        if (!done) revert VaultExit_CallFailed(safe);
    }

    /// The Safe counts its owners itself. Executor zero: nobody's mere call is a signature.
    function _checkSignatures(
        address safe,
        bytes32 digest,
        bytes calldata signatures,
        uint256 required
    ) private view {
        ISafe(payable(safe)).checkNSignatures(address(0), digest, signatures, required);
    }

    function _pending(address safe) private view returns (Announcement memory pending) {
        pending = _announcements[safe];
        if (pending.usableFrom == 0) revert VaultExit_NotAnnounced(safe);
    }

    function _digest(bytes32 typehash, address safe, uint256 id) private view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(
            domainSeparator(), keccak256(abi.encode(typehash, safe, id))
        );
    }
}

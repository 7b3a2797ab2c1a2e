// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ILogAnchor} from "contracts/interfaces/ILogAnchor.sol";

/// @title The public place of the audit log's checkpoints.
/// @notice `ILogAnchor` says what it promises. The officers and their quorum are fixed at birth, and
/// the address commits to them (CREATE2 over the constructor's arguments).
contract LogAnchor is ILogAnchor {
    /// r ‖ s ‖ v
    uint256 private constant SIGNATURE_LENGTH = 65;
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant REPLACE_TYPEHASH =
        keccak256("ReplaceWriter(address writer,uint64 epoch)");
    bytes32 private constant NAME_HASH = keccak256("StrongroomLogAnchor");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// @inheritdoc ILogAnchor
    uint256 public immutable quorum;
    /// @inheritdoc ILogAnchor
    mapping(address account => bool) public isOfficer;
    /// @inheritdoc ILogAnchor
    address public writer;
    uint64 private _epoch;
    uint64 private _size;
    bytes32 private _root;

    /// @param officers ascending, none twice
    /// @param quorum_ from 1 to their number
    /// @param writer_ the first writer, who anchors in epoch 1
    constructor(address[] memory officers, uint256 quorum_, address writer_) {
        address before = address(0);
        for (uint256 i = 0; i < officers.length; ++i) {
            if (officers[i] <= before) revert LogAnchor_OfficersNotAscending(officers[i]);
            before = officers[i];
            isOfficer[before] = true;
        }
        if (quorum_ == 0 || quorum_ > officers.length) {
            revert LogAnchor_QuorumOutOfRange(quorum_, officers.length);
        }
        quorum = quorum_;
        _install(writer_, 1);
    }

    /// @inheritdoc ILogAnchor
    function anchor(uint64 epoch, uint64 size, bytes32 root) external {
        // Check
        if (msg.sender != writer) revert LogAnchor_CallerIsNotWriter(msg.sender);
        if (epoch != _epoch) revert LogAnchor_EpochNotInForce(epoch, _epoch);
        if (size <= _size) revert LogAnchor_SizeDidNotGrow(size, _size);

        // Effect
        _size = size;
        _root = root;
        emit Anchored(epoch, size, root);
    }

    /// @inheritdoc ILogAnchor
    function replaceWriter(address newWriter, uint64 epoch, bytes calldata signatures) external {
        // Check
        if (epoch <= _epoch) revert LogAnchor_EpochDidNotRise(epoch, _epoch);
        _checkOfficers(replaceDigest(newWriter, epoch), signatures);

        // Effect
        _size = 0;
        _root = bytes32(0);
        _install(newWriter, epoch);
    }

    /// @inheritdoc ILogAnchor
    function last() external view returns (uint64 epoch, uint64 size, bytes32 root) {
        return (_epoch, _size, _root);
    }

    /// @inheritdoc ILogAnchor
    /// @dev The domain is computed each time: the bytecode is then the same on every chain.
    function replaceDigest(address newWriter, uint64 epoch) public view returns (bytes32 digest) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this))
        );
        return MessageHashUtils.toTypedDataHash(
            domain, keccak256(abi.encode(REPLACE_TYPEHASH, newWriter, epoch))
        );
    }

    function _install(address newWriter, uint64 epoch) private {
        if (newWriter == address(0)) revert LogAnchor_WriterIsZero();
        writer = newWriter;
        _epoch = epoch;
        emit WriterReplaced(newWriter, epoch);
    }

    /// A quorum of officers, each once: ascending, exactly so many.
    function _checkOfficers(bytes32 digest, bytes calldata signatures) private view {
        uint256 expected = quorum * SIGNATURE_LENGTH;
        if (signatures.length != expected) {
            revert LogAnchor_SignaturesLength(signatures.length, expected);
        }
        address before = address(0);
        for (uint256 i = 0; i < expected; i += SIGNATURE_LENGTH) {
            // OpenZeppelin refuses high s, a v other than 27 and 28, and the zero address.
            address signer = ECDSA.recover(digest, signatures[i:i + SIGNATURE_LENGTH]);
            if (!isOfficer[signer]) revert LogAnchor_SignerNotOfficer(signer);
            if (signer <= before) revert LogAnchor_SignersNotAscending(signer);
            before = signer;
        }
    }
}

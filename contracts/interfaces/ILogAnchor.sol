// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Where the audit log's checkpoints are put down, one after the other, for everybody.
/// @notice The custodian's writer anchors (epoch, size, root) of the log's Merkle tree. Within an
/// epoch the size only grows, so a log that was cut back or forked shows. A quorum of the custody
/// officers replaces the writer and begins a new epoch: the answer to a lost or misused key, and
/// the only way the size may start anew. It holds no funds.
///
///   domain  EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)
///           = ("StrongroomLogAnchor", "1", chain, this contract)
///   struct  ReplaceWriter(address writer,uint64 epoch)
interface ILogAnchor {
    /// @notice The log had `size` entries with this Merkle `root` (RFC 6962).
    event Anchored(uint64 indexed epoch, uint64 indexed size, bytes32 root);
    /// @notice From now on `writer` anchors, in `epoch`.
    event WriterReplaced(address indexed writer, uint64 indexed epoch);

    error LogAnchor_OfficersNotAscending(address officer);
    error LogAnchor_QuorumOutOfRange(uint256 quorum, uint256 officers);
    error LogAnchor_WriterIsZero();
    error LogAnchor_CallerIsNotWriter(address caller);
    error LogAnchor_EpochNotInForce(uint64 epoch, uint64 inForce);
    error LogAnchor_SizeDidNotGrow(uint64 size, uint64 last);
    error LogAnchor_EpochDidNotRise(uint64 epoch, uint64 inForce);
    error LogAnchor_SignaturesLength(uint256 length, uint256 expected);
    error LogAnchor_SignerNotOfficer(address signer);
    error LogAnchor_SignersNotAscending(address signer);

    /// @notice Puts down a checkpoint. Callable by the writer.
    /// @param epoch the epoch in force
    /// @param size entries of the log, more than at the last checkpoint of this epoch
    /// @param root the Merkle tree head over them
    function anchor(uint64 epoch, uint64 size, bytes32 root) external;

    /// @notice Replaces the writer and begins `epoch`; the next size may be any above zero.
    /// Callable by anybody who has the signatures; signed once, they work once.
    /// @param newWriter not zero
    /// @param epoch above the one in force
    /// @param signatures exactly a quorum of officers', 65 bytes each (r ‖ s ‖ v, low s), sorted by
    /// officer
    function replaceWriter(address newWriter, uint64 epoch, bytes calldata signatures) external;

    /// @notice Who may anchor.
    function writer() external view returns (address);

    /// @notice The last checkpoint; size and root are zero when the epoch has none yet.
    function last() external view returns (uint64 epoch, uint64 size, bytes32 root);

    /// @notice Whether `account` is one of the officers; fixed for ever.
    function isOfficer(address account) external view returns (bool);

    /// @notice How many officers it takes; fixed for ever.
    function quorum() external view returns (uint256);

    /// @notice The digest that officers sign to put `newWriter` in place from `epoch` on.
    function replaceDigest(address newWriter, uint64 epoch) external view returns (bytes32 digest);
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title How the people of a vault leave their custodian, without asking it.
/// @notice One module for all vaults of a chain; a vault enables it inside its `setup`. Three
/// steps: the people's threshold announces; a delay runs, in which custodian and people see it;
/// then anybody ends it. The end has one fixed effect: both guards of the vault become zero, and
/// the vault is an ordinary Safe of its people. No money moves, nothing else changes.
///
/// People sign EIP-712, each with the own key; the Safe itself counts them (`checkNSignatures`),
/// so the custodian's permit signer, who is no owner, counts for nothing here:
///
///   domain  EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)
///           = ("StrongroomExit", "1", chain, this contract)
///   struct  Announce(address safe,uint256 id)   id = the last announcement's id + 1
///   struct  Cancel(address safe,uint256 id)     id = the pending announcement's id
///
/// An id is used once: what was signed for it dies with it. Nothing here expires: a pending exit
/// ends by `leave` or by `cancel`. The guard may hold `leave` up, for its bounded freeze only.
interface IVaultExit {
    /// @notice The exit of `safe` was announced; `leave` works from `usableFrom` (block time) on.
    event ExitAnnounced(address indexed safe, uint256 indexed id, uint256 usableFrom);
    /// @notice The pending exit of `safe` was cancelled by its people.
    event ExitCancelled(address indexed safe, uint256 indexed id);
    /// @notice `safe` has no guards any more.
    event VaultLeft(address indexed safe, uint256 indexed id);

    error VaultExit_AlreadyAnnounced(address safe, uint256 id);
    error VaultExit_NotAnnounced(address safe);
    error VaultExit_TooEarly(uint256 usableFrom, uint256 blockTime);
    error VaultExit_CallFailed(address safe);

    /// @notice Begins the exit of `safe`. Callable by anybody who has the signatures.
    /// Reverts while an announcement is pending: the delay can be neither restarted nor shortened.
    /// @param safe the vault
    /// @param signatures of as many owners as the Safe's threshold says, as `checkNSignatures`
    /// wants them: sorted by owner, 65 bytes each
    function announce(address safe, bytes calldata signatures) external;

    /// @notice Ends the pending announcement of `safe` without effect. With n owners and threshold
    /// k it takes n − k + 1 of them: as many as it takes to deny k the rest.
    /// @param safe the vault
    /// @param signatures of n − k + 1 owners over the Cancel of the pending id
    function cancel(address safe, bytes calldata signatures) external;

    /// @notice Takes both guards off `safe`. Callable by anybody, once the delay of the pending
    /// announcement is over; reverts while the vault's guard holds the exit up.
    function leave(address safe) external;

    /// @notice The pending announcement of `safe`, or the last one.
    /// @return id counts announcements from 1; 0 = there never was one
    /// @return usableFrom block time from which `leave` works; 0 = none is pending
    function announcementOf(address safe) external view returns (uint256 id, uint256 usableFrom);

    /// @notice The EIP-712 domain separator of Announce and Cancel.
    function domainSeparator() external view returns (bytes32 separator);

    /// @notice The digest that owners sign to announce the exit of `safe` under `id`.
    function announceDigest(address safe, uint256 id) external view returns (bytes32 digest);

    /// @notice The digest that owners sign to cancel the exit of `safe` under `id`.
    function cancelDigest(address safe, uint256 id) external view returns (bytes32 digest);
}

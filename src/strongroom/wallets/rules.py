"""What must hold of a ceremony's output and of an address before it is given out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.wallets.errors import CeremonyInvalid, OfficersMissing, ProvenanceInvalid
from strongroom.wallets.types import Officers, Provenance
from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hd import child_address, path, xpub_hash
from strongroom_protocol.intents import AddressProvenance, CustodyManifest
from strongroom_protocol.merkle import manifest_leaf, root, verify_inclusion
from strongroom_protocol.signatures import Signature, recover

ADDRESSES_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Ceremony:
    """The public part of a key ceremony for one account, checked in itself."""

    account_index: int
    xpub: str
    manifest: CustodyManifest


def custody_code(chain_id: int, address: bytes) -> str:
    """The ledger account for what an address holds."""
    return f"custody:{chain_id}:0x{address.hex()}"


def read_ceremony(output: Mapping[str, object]) -> Ceremony:
    """Check the ceremony's file: xpub, its hash, root and count fit. Raises CeremonyInvalid."""
    index, xpub, count = output.get("account_index"), output.get("xpub"), output.get("count")
    listed = output.get("addresses")
    if not isinstance(index, int) or not isinstance(xpub, str) or not isinstance(count, int):
        raise CeremonyInvalid("The ceremony's file lacks account_index, xpub or count.")
    if not isinstance(listed, list) or not 0 < len(listed) == count <= ADDRESSES_MAX:
        raise CeremonyInvalid(f"The ceremony's file must list its {count} addresses.")
    try:
        addresses = [parse_address(item) for item in listed]
        leaves = [manifest_leaf(path(index, i), item) for i, item in enumerate(addresses)]
        for i in {0, count - 1}:
            _check_derived(xpub, i, addresses[i])
        manifest = CustodyManifest(index, root(leaves), count, xpub_hash(xpub))
    except ProtocolError as error:
        raise CeremonyInvalid(f"The ceremony's file is not consistent: {error}") from error
    if output.get("root") != "0x" + manifest.root.hex():
        raise CeremonyInvalid("The ceremony's root is not that of its addresses; run it again.")
    if output.get("xpub_hash") != "0x" + manifest.xpub_hash.hex():
        raise CeremonyInvalid("The ceremony's xpub_hash is not that of its xpub; run it again.")
    return Ceremony(index, xpub, manifest)


def check_refill(
    output: Mapping[str, object],
    ceremony: Ceremony,
    *,
    account_index: int,
    xpub_hash: bytes,
    manifest_root: bytes,
    manifest_count: int,
) -> None:
    """Check: the same account with more addresses, none before them changed. Raises
    CeremonyInvalid.
    """
    manifest = ceremony.manifest
    if (manifest.account_index, manifest.xpub_hash) != (account_index, xpub_hash):
        raise CeremonyInvalid(
            f"The organisation's account is {account_index} with another xpub; a refill keeps both."
        )
    if manifest.count <= manifest_count:
        raise CeremonyInvalid(
            f"The account has {manifest_count} addresses already; a refill lists more than these."
        )
    listed = output["addresses"]
    addresses = [parse_address(item) for item in listed] if isinstance(listed, list) else []
    before = [manifest_leaf(path(account_index, i), addresses[i]) for i in range(manifest_count)]
    if root(before) != manifest_root:
        raise CeremonyInvalid(
            f"The first {manifest_count} addresses are not those registered before; take the file "
            "from 'ceremony refill' of this signer."
        )


def check_officers(digest: bytes, signatures: Sequence[bytes], officers: Officers) -> None:
    """Check: at least the quorum of distinct officers signed the digest. Raises OfficersMissing."""
    if officers.quorum < 1:
        raise OfficersMissing(
            "No custody officers are configured: set STRONGROOM_CUSTODY_OFFICERS."
        )
    found: set[bytes] = set()
    for signature in signatures:
        try:
            signer = recover(digest, Signature.parse(signature))
        except ProtocolError as error:
            raise OfficersMissing(f"A manifest signature can't be read: {error}") from error
        if signer not in officers.addresses:
            raise OfficersMissing(
                f"{checksum(signer)} signed the manifest and is no custody officer, or an officer "
                "signed other bytes."
            )
        found.add(signer)
    if len(found) < officers.quorum:
        raise OfficersMissing(
            f"{len(found)} of the {officers.quorum} custody officers needed signed the manifest."
        )


def check_provenance(
    given: Provenance,
    *,
    account_index: int,
    xpub: str,
    manifest_root: bytes,
    manifest_count: int,
    organisation_ref: bytes,
    attest_key: bytes,
    chain_id: int,
) -> None:
    """Check: xpub, manifest and attest key each give this address. Raises ProvenanceInvalid."""
    address = Address(given.address)
    if given.path != path(account_index, given.index):
        raise ProvenanceInvalid(f"Index {given.index} does not lie at {given.path}.")
    try:
        _check_derived(xpub, given.index, address)
        leaf = manifest_leaf(given.path, address)
        verify_inclusion(leaf, given.index, manifest_count, given.proof, manifest_root)
        digest = AddressProvenance(organisation_ref, given.path, address).digest(chain_id)
        signer = recover(digest, Signature.parse(given.signature))
    except (ProtocolError, CeremonyInvalid) as error:
        raise ProvenanceInvalid(f"The address is not given out: {error}") from error
    if signer != attest_key:
        raise ProvenanceInvalid(
            f"The address is attested by {checksum(signer)}, not by the signer's attest key."
        )


def _check_derived(xpub: str, index: int, address: Address) -> None:
    derived = child_address(xpub, index)
    if derived != address:
        raise CeremonyInvalid(
            f"Address {index} of the xpub is {checksum(derived)}, not {checksum(address)}."
        )

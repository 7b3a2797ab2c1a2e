"""Who must have signed a bundle before it counts: everybody at first, then a quorum."""

from collections.abc import Iterable, Sequence

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.authority import Genesis, bundle_digest, organisation_ref
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.signatures import Signature, recover


class BundleRefused(ProtocolError):
    """A bundle that is well-formed, but not this organisation's next one, or not signed enough."""

    code = "bundle.refused"


def signers_of(digest: bytes, signatures: Iterable[Signature]) -> frozenset[Address]:
    """The different keys that signed; a key twice is refused. BundleRefused, SignatureInvalid."""
    found: set[Address] = set()
    for signature in signatures:
        address = recover(digest, signature)
        if address in found:
            raise BundleRefused(f"{checksum(address)} signed twice", code="bundle.signed_twice")
        found.add(address)
    return frozenset(found)


def check_quorum(
    digest: bytes, signatures: Iterable[Signature], members: frozenset[Address], quorum: int
) -> None:
    """Returns if at least `quorum` of `members` signed (officers, administrators)."""
    there = len(signers_of(digest, signatures) & members)
    if not 0 < quorum <= there:
        raise _too_few(f"{there} of the needed {quorum} have signed")


def check_first(genesis: Genesis, bundle: Bundle, signatures: Sequence[Signature]) -> None:
    """Returns if `bundle` is what the genesis founds, signed by all its people who sign.

    Custody officers are checked apart, with `check_quorum`. Raises BundleRefused.
    """
    _require(bundle.organisation == organisation_ref(genesis), "organisation is not the genesis'")
    _require(bundle.chain_id == genesis.chain_id, "chain_id is not the genesis'")
    _require(bundle.account.index == genesis.account_index, "account is not the genesis'")
    _require(bundle.version == 1 and bundle.previous == bytes(32), "the first version is 1")
    administrators, approvers = set(genesis.administrators), set(genesis.approvers)
    _require(bundle.addresses_with("administrator") == administrators, "other administrators")
    _require(bundle.addresses_with("approver") == approvers, "other approvers")
    _require(bundle.administrator_quorum == genesis.administrator_quorum, "another quorum")
    _check_possession(bundle, frozenset(), signers_of(bundle_digest(bundle), signatures))


def check_update(active: Bundle, bundle: Bundle, signatures: Sequence[Signature]) -> None:
    """Returns if `bundle` follows `active`, signed by a quorum of active's administrators.

    Keys that are new prove possession by signing too. Raises BundleRefused.
    """
    _require(bundle.organisation == active.organisation, "another organisation")
    _require(bundle.chain_id == active.chain_id, "another chain")
    _require(bundle.version == active.version + 1, f"version must be {active.version + 1}")
    _require(bundle.previous == bundle_digest(active), "previous is not the active version")
    _require(bundle.account == active.account, "the account cannot change")
    _require(bundle.vault == active.vault, "what the vault was made with cannot change")
    signed = signers_of(bundle_digest(bundle), signatures)
    there = len(signed & active.addresses_with("administrator"))
    if there < active.administrator_quorum:
        raise _too_few(f"{there} of {active.administrator_quorum} administrators have signed")
    known = frozenset(person.address for person in active.people if person.address is not None)
    _check_possession(bundle, known, signed)


def _check_possession(
    bundle: Bundle, known: frozenset[Address], signed: frozenset[Address]
) -> None:
    for person in bundle.people:
        if person.address is not None and person.address not in known | signed:
            raise _too_few(f"{person.name} has not signed with {checksum(person.address)}")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise BundleRefused(f"the bundle does not fit: {what}")


def _too_few(what: str) -> BundleRefused:
    return BundleRefused(f"signatures are missing: {what}", code="bundle.signatures_missing")

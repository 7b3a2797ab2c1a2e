"""What must be there before anything is permitted: people's approvals and a screening clearance.

Everything is recovered from signatures; nothing that is merely said counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.consent import APPROVER, standing
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.intents import Order, VaultPayment, Withdrawal
from strongroom_protocol.safe import (
    Payment,
    SafeTx,
    payments_of,
    rejection_safe_tx,
    safe_tx_hash,
)
from strongroom_protocol.signatures import Signature, recover

CLEARANCE_TYPE = "strongroom.clearance/1"
VERDICTS = frozenset({"CLEAR", "HIT", "ERROR", "UNSUPPORTED"})


class EvidenceRefused(ProtocolError):
    """Evidence that does not prove what it is shown for; `code` says which part."""

    code = "evidence.refused"


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's two signatures: over the Safe transaction, and over its readable twin."""

    safe_tx_signature: Signature
    payment_signature: Signature | None


@dataclass(frozen=True, slots=True)
class Approved:
    """Who stands behind a payment, in the order given; a rejection has no initiator."""

    initiator: Person | None
    approvers: tuple[tuple[Person, Signature], ...]

    def approver_ids(self) -> frozenset[str]:
        """For `policy.Facts`."""
        return frozenset(person.id for person, _ in self.approvers)


def recover_initiator(bundle: Bundle, intent: Order, signature: Signature, now: int) -> Person:
    """Who ordered the payment: an initiator of this very policy version, in time.

    Raises EvidenceRefused, SignatureInvalid.
    """
    _check_organisation(bundle, intent)
    if intent.policy_version != bundle.version:
        raise EvidenceRefused(
            f"the intent was signed under policy version {intent.policy_version}, active is "
            f"{bundle.version}: ask for it again",
            code="evidence.policy_version",
        )
    if now > intent.valid_until:
        raise EvidenceRefused("the intent has expired", code="evidence.expired")
    address = recover(intent.digest(bundle.chain_id), signature)
    person = bundle.person_of(address)
    if person is None or "initiator" not in person.roles:
        raise EvidenceRefused(
            f"{checksum(address)} is no initiator: another key, or other bytes, were signed",
            code="evidence.initiator_unknown",
        )
    return person


def recover_approvals(
    bundle: Bundle,
    intent: Withdrawal,
    initiator_signature: Signature,
    safe_tx: SafeTx,
    approvals: Sequence[Approval],
    now: int,
    *,
    multi_send: Address | None = None,
) -> Approved:
    """Who approved this Safe transaction of the intent's wallet: its payment or its rejection.

    A payment must be the intent's, alone or in a batch through `multi_send`, in time, under the
    active policy; each approver, or deputy of one at `now`, is an owner of the vault, not the
    initiator, and signed both forms. A rejection may come late and from any owner: it only consumes
    the nonce. Whether they are enough is the policy's question; that the wallet is the
    organisation's vault, the caller's. Raises EvidenceRefused, SafeTxRefused, SignatureInvalid.
    """
    chain_id = bundle.chain_id
    _check_organisation(bundle, intent)
    tx_hash = safe_tx_hash(chain_id, intent.wallet, safe_tx)
    is_payment = safe_tx != rejection_safe_tx(intent.wallet, safe_tx.nonce)
    initiator = None
    if is_payment:
        initiator = recover_initiator(bundle, intent, initiator_signature, now)
    paid = Payment(intent.token, intent.to, intent.units)
    if is_payment and paid not in payments_of(safe_tx, multi_send):
        raise EvidenceRefused(
            "the Safe transaction pays something else than the intent",
            code="evidence.payment_differs",
        )
    payment = VaultPayment(intent.digest(chain_id), tx_hash, intent.to, intent.token, intent.units)
    signatures = [approval.safe_tx_signature for approval in approvals]
    owners = frozenset(bundle.control.owners)
    approvers = _recover_approvers(bundle, tx_hash, signatures, owners, initiator, now)
    if is_payment:
        for approval, (person, _) in zip(approvals, approvers, strict=True):
            _check_readable(payment.digest(chain_id), approval.payment_signature, person)
    return Approved(initiator, approvers)


def recover_order_approvals(
    bundle: Bundle,
    order: Order,
    initiator_signature: Signature,
    signatures: Sequence[Signature],
    now: int,
) -> Approved:
    """Who ordered and who approved what a key of ours pays by itself: the approvers sign the very
    digest that the initiator signed. Raises EvidenceRefused, SignatureInvalid.
    """
    initiator = recover_initiator(bundle, order, initiator_signature, now)
    digest = order.digest(bundle.chain_id)
    approvers = _recover_approvers(bundle, digest, signatures, None, initiator, now)
    return Approved(initiator, approvers)


def _recover_approvers(
    bundle: Bundle,
    digest: bytes,
    signatures: Sequence[Signature],
    keys: frozenset[Address] | None,
    initiator: Person | None,
    now: int,
) -> tuple[tuple[Person, Signature], ...]:
    found: dict[str, tuple[Person, Signature]] = {}
    for signature in signatures:
        person = _approver(bundle, digest, signature, keys, now)
        if person == initiator:
            raise EvidenceRefused(
                f"{person.name} started this payment and cannot approve it",
                code="evidence.approver_is_initiator",
            )
        if person.id in found:
            raise EvidenceRefused(f"{person.name} approved twice", code="evidence.approved_twice")
        found[person.id] = (person, signature)
    return tuple(found.values())


def _check_organisation(bundle: Bundle, intent: Order) -> None:
    if intent.organisation != bundle.organisation:
        raise EvidenceRefused("the intent is another organisation's", code="evidence.organisation")


def may_approve(bundle: Bundle, person: Person, now: int) -> bool:
    """Whether an approval by this person is looked at: an approver's, or a deputy's of one."""
    return any(APPROVER in one.roles for one in standing(bundle, person, now))


def _approver(
    bundle: Bundle,
    digest: bytes,
    signature: Signature,
    keys: frozenset[Address] | None,
    now: int,
) -> Person:
    address = recover(digest, signature)
    person = bundle.person_of(address)
    known = person is not None and (keys is None or address in keys)
    if person is None or not (known and may_approve(bundle, person, now)):
        raise EvidenceRefused(
            f"{checksum(address)} is no approver: another key, or other bytes, were signed",
            code="evidence.approver_unknown",
        )
    return person


def _check_readable(digest: bytes, signature: Signature | None, person: Person) -> None:
    if signature is None or recover(digest, signature) != person.address:
        raise EvidenceRefused(
            f"{person.name} has not signed the readable payment that belongs to the transaction",
            code="evidence.payment_unsigned",
        )


@dataclass(frozen=True, slots=True)
class ClearedDeposit:
    """One transfer into a deposit address; `log_index` -1 and token zero for a native one."""

    chain_id: int
    tx_hash: bytes
    log_index: int
    token: Address
    address: Address
    units: int


@dataclass(frozen=True, slots=True)
class Clearance:
    """The screener's verdict on one counterparty, for one payment out or one deposit in.

    `organisation` is the UUID's text; times in Unix seconds; `intent` is the request's id.
    """

    organisation: str
    direction: Literal["in", "out"]
    subject: Address
    intent: bytes | None
    deposit: ClearedDeposit | None
    verdict: str
    list_version: int
    screened_at: int
    valid_until: int

    def document(self) -> dict[str, Any]:
        """The JSON whose canonical bytes the screener signs."""
        deposit = self.deposit
        return {
            "type": CLEARANCE_TYPE,
            "organisation": self.organisation,
            "direction": self.direction,
            "subject": checksum(self.subject),
            "intent": None if self.intent is None else to_hex(self.intent),
            "deposit": None if deposit is None else _deposit_document(deposit),
            "verdict": self.verdict,
            "list_version": self.list_version,
            "screened_at": self.screened_at,
            "valid_until": self.valid_until,
        }

    def signed_bytes(self) -> bytes:
        """What the screener's Ed25519 key signs."""
        return canonical_bytes(self.document())


def parse_clearance(document: object) -> Clearance:
    """Raises FieldInvalid, AddressInvalid; says nothing about who signed."""
    names = {"type", "organisation", "direction", "subject", "intent", "deposit", "verdict"}
    members = Members(document, "clearance", names | {"list_version", "screened_at", "valid_until"})
    members.constant("type", CLEARANCE_TYPE)
    outward = members.choice("direction", frozenset({"in", "out"})) == "out"
    if members.is_null("intent") == outward or members.is_null("deposit") != outward:
        raise members.fail("intent", "an outward clearance names an intent, an inward a deposit")
    return Clearance(
        organisation=members.text("organisation", 36),
        direction="out" if outward else "in",
        subject=members.address("subject"),
        intent=members.hash32("intent") if outward else None,
        deposit=None if outward else members.part("deposit", _deposit),
        verdict=members.choice("verdict", VERDICTS),
        list_version=members.integer("list_version", 1),
        screened_at=members.integer("screened_at"),
        valid_until=members.integer("valid_until"),
    )


def open_clearance(
    document: object,
    signature: bytes,
    public_key: bytes,
    *,
    organisation: str,
    now: int,
    list_version_min: int = 1,
) -> Clearance:
    """A CLEAR verdict of this screener for this organisation, still valid.

    The caller compares subject, intent or deposit with what it is about to do. Raises
    EvidenceRefused, FieldInvalid.
    """
    clearance = parse_clearance(document)
    try:
        _screener(public_key).verify(signature, clearance.signed_bytes())
    except InvalidSignature as error:
        raise EvidenceRefused(
            "the screener did not sign this", code="evidence.clearance"
        ) from error
    if clearance.organisation != organisation:
        raise EvidenceRefused("cleared for another organisation", code="evidence.clearance")
    if clearance.verdict != "CLEAR":
        raise EvidenceRefused(f"screening says {clearance.verdict}", code="evidence.not_clear")
    if not clearance.screened_at <= now <= clearance.valid_until:
        raise EvidenceRefused("the clearance is not valid now", code="evidence.clearance_expired")
    if clearance.list_version < list_version_min:
        raise EvidenceRefused(
            f"screened against list {clearance.list_version}, needed is {list_version_min}",
            code="evidence.list_outdated",
        )
    return clearance


_screener = lru_cache(maxsize=16)(Ed25519PublicKey.from_public_bytes)


def _deposit(value: object, path: str) -> ClearedDeposit:
    names = {"chain_id", "tx_hash", "log_index", "token", "address", "units"}
    members = Members(value, path, names)
    return ClearedDeposit(
        chain_id=members.integer("chain_id", 1),
        tx_hash=members.hash32("tx_hash"),
        log_index=members.integer("log_index", -(2**31)),
        token=members.address("token", zero=True),
        address=members.address("address"),
        units=members.units("units"),
    )


def _deposit_document(deposit: ClearedDeposit) -> dict[str, Any]:
    return {
        "chain_id": deposit.chain_id,
        "tx_hash": to_hex(deposit.tx_hash),
        "log_index": deposit.log_index,
        "token": checksum(deposit.token),
        "address": checksum(deposit.address),
        "units": str(deposit.units),
    }

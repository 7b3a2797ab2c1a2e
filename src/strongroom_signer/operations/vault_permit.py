"""`vault_permit`: the HSM key's Permit for one exact Safe transaction, a payment or the rejection
of a nonce. Evidence, not orders: everything is recomputed from what people signed.

Who signed: the initiator the intent, the owners the Safe transaction and its readable twin, the
screener the clearance. Checked: wallet = the organisation's own vault, policy version, epoch,
expiry, destination in the signed book and past cooling, limits, one payment and one rejection a
nonce, one Permit an intent for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strongroom_protocol.addresses import ZERO
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.evidence import Approval, Clearance, recover_approvals
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.policy import Verdict
from strongroom_protocol.rates import RateStatement
from strongroom_protocol.safe import Payment, SafeTx, payment_safe_tx, rejection_safe_tx
from strongroom_protocol.signatures import Signature
from strongroom_signer.agreement import agreed_payment
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import require
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.operations import judging
from strongroom_signer.operations.clearances import remember_list_version
from strongroom_signer.operations.installed import (
    INSTALLED,
    Installed,
    read_installed,
    sign_permit,
)
from strongroom_signer.operations.reading import anything, signature_at

# A rejection only consumes its nonce, so its Permit may wait long for a miner.
REJECTION_SECONDS = 30 * 86_400
_NAMES = {"organisation", "intent", "initiator_signature", "safe_nonce", "kind", "approvals"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a Permit, read strictly; nothing of it is believed yet."""

    organisation: Organisation
    intent: Withdrawal
    intent_id: bytes
    initiator_signature: Signature
    kind: str
    safe_tx: SafeTx
    safe_tx_hash: bytes
    approvals: tuple[Approval, ...]
    clearance: Any
    rates: tuple[RateStatement, ...]
    installed: Installed


def vault_permit(house: House, body: dict[str, Any], _trace: str) -> Once | Plan:
    """→ {safe_tx_hash, policy_version, valid_until, permit_signature}; dry: the verdict alone."""
    optional = judging.OPTIONAL | INSTALLED
    members = Members(body, "body", {*_NAMES, "clearance", "dry_run"}, optional)
    asked = _read(house, members)
    if members.boolean("dry_run"):
        require_alive(house, asked.organisation)
        return _dry_verdict(house, asked)
    is_payment = asked.kind == "payment"
    rejection_name = asked.organisation.vault + asked.safe_tx.nonce.to_bytes(32, "big")
    request_id = asked.intent_id if is_payment else keccak256(b"rejection" + rejection_name)

    def prepare() -> Plan:
        if is_payment:
            return _prepare_payment(house, asked)
        return _prepare_rejection(house, asked, request_id)

    def sign(plan: Plan) -> Plan:
        return sign_permit(house, asked.organisation.vault, asked.installed, plan)

    def still() -> None:
        require_alive(house, asked.organisation)

    identity = keccak256(asked.kind.encode() + asked.safe_tx_hash)
    return Once("vault_permit", request_id, identity, prepare, sign, still, built_upon=True)


def _read(house: House, members: Members) -> Asked:
    organisation = find(house, members.hash32("organisation"))
    intent = Withdrawal.from_fields(members.part("intent", anything), field="intent")
    kind = members.choice("kind", frozenset({"payment", "rejection"}))
    nonce = members.integer("safe_nonce")
    require(
        intent.wallet == organisation.vault,
        "wallet_differs",
        "the intent's wallet is not the vault that follows from the organisation's genesis",
    )
    judging.check_epoch(house, intent.store_epoch)
    if kind == "payment":
        paid = Payment(intent.token, intent.to, intent.units)
        safe_tx = payment_safe_tx(intent.token, intent.to, intent.units, nonce)
    else:
        paid = Payment(ZERO, organisation.vault, 0)
        safe_tx = rejection_safe_tx(organisation.vault, nonce)
    chain_id = house.config.chain_id
    return Asked(
        organisation=organisation,
        intent=intent,
        intent_id=intent.digest(chain_id),
        initiator_signature=members.part("initiator_signature", signature_at),
        kind=kind,
        safe_tx=safe_tx,
        safe_tx_hash=agreed_payment(chain_id, organisation.vault, safe_tx, paid),
        approvals=members.list("approvals", _approval, maximum=judging.APPROVALS_MAX),
        clearance=members.part("clearance", anything),
        rates=judging.read_rates(members, organisation),
        installed=read_installed(house, organisation, members),
    )


def _approval(value: object, path: str) -> Approval:
    members = Members(value, path, {"safe_tx_signature", "payment_signature"})
    readable = None
    if not members.is_null("payment_signature"):
        readable = members.part("payment_signature", signature_at)
    return Approval(members.part("safe_tx_signature", signature_at), readable)


def _prepare_payment(house: House, asked: Asked) -> Plan:
    """Check: Effect, inside the unit."""
    organisation, intent = asked.organisation, asked.intent
    judged = _judge(house, asked)
    judging.require_allowed(judged.verdict)
    clearance = _cleared(house, asked)
    _check_free(house, asked)
    remember_list_version(house, clearance)
    judging.count_payment(house, asked.intent_id, organisation, judged.facts)
    slot = (organisation.vault, asked.safe_tx.nonce, "payment")
    house.journal.add("vault_nonce", *slot, asked.intent_id, asked.intent_id, asked.safe_tx_hash)
    return _plan(asked, min(intent.valid_until, clearance.valid_until, organisation.lapses_at))


def _check_free(house: House, asked: Asked) -> None:
    """One payment a nonce, and none after its rejection."""
    vault, nonce = asked.organisation.vault, asked.safe_tx.nonce
    paid = house.journal.one(
        "SELECT intent FROM vault_nonce WHERE vault = ? AND nonce = ? AND kind <> 'rejection'",
        vault,
        nonce,
    )
    require(
        paid is None or bytes(paid[0]) == asked.intent_id,
        "safe_nonce_taken",
        f"nonce {nonce} of this vault belongs to another payment or change for ever",
    )
    rejected = house.journal.one(
        "SELECT 1 FROM vault_nonce WHERE vault = ? AND kind = 'rejection'"
        " AND (intent = ? OR nonce = ?)",
        vault,
        asked.intent_id,
        nonce,
    )
    require(
        rejected is None,
        "intent_rejected",
        "this intent, or this nonce, was rejected by its owners; a rejection is final",
    )


def _prepare_rejection(house: House, asked: Asked, request_id: bytes) -> Plan:
    """Owners up to the threshold kill a nonce; the intent's own expiry does not matter."""
    organisation, vault, nonce = asked.organisation, asked.organisation.vault, asked.safe_tx.nonce
    approved = recover_approvals(
        organisation.people_now,
        asked.intent,
        asked.initiator_signature,
        asked.safe_tx,
        asked.approvals,
        house.clock.now(),
    )
    threshold = organisation.bundle.control.threshold
    require(
        len(approved.approvers) >= threshold,
        "approvals_missing",
        f"{len(approved.approvers)} of {threshold} owners have signed the rejection",
    )
    row = house.journal.one(
        "SELECT intent FROM vault_nonce WHERE vault = ? AND nonce = ? AND kind <> 'rejection'",
        vault,
        nonce,
    )
    require(
        row is None or bytes(row[0]) == asked.intent_id,
        "safe_nonce_taken",
        f"nonce {nonce} of this vault belongs to another intent than the one named here",
    )
    house.journal.add(
        "vault_nonce", vault, nonce, "rejection", request_id, asked.intent_id, asked.safe_tx_hash
    )
    return _plan(asked, house.clock.now() + REJECTION_SECONDS)


def _plan(asked: Asked, valid_until: int) -> Plan:
    return {
        "kind": asked.kind,
        "intent": to_hex(asked.intent_id),
        "max_fee_wei": str(asked.intent.max_fee_wei),
        "safe_tx": asked.safe_tx.fields(),
        "safe_tx_hash": to_hex(asked.safe_tx_hash),
        "policy_version": asked.organisation.bundle.version,
        "valid_until": valid_until,
    }


def _judge(house: House, asked: Asked) -> judging.Judged:
    approved = recover_approvals(
        asked.organisation.people_now,
        asked.intent,
        asked.initiator_signature,
        asked.safe_tx,
        asked.approvals,
        house.clock.now(),
    )
    return judging.judge(house, asked.organisation, asked.intent, approved, asked.rates)


def _cleared(house: House, asked: Asked) -> Clearance:
    return judging.cleared(
        house, asked.organisation, asked.intent_id, asked.intent.to, asked.clearance
    )


def _dry_verdict(house: House, asked: Asked) -> Plan:
    verdict = Verdict("allowed", "rejection", "A rejection may be signed.")
    if asked.kind == "payment":
        verdict = _judge(house, asked).verdict
        _check_free(house, asked)
        if asked.clearance is not None:
            _cleared(house, asked)
    return judging.dry_answer(asked.organisation, verdict, safe_tx_hash=to_hex(asked.safe_tx_hash))

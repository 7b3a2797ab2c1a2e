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
from strongroom_protocol.permit import Permit
from strongroom_protocol.policy import Facts, Verdict, evaluate
from strongroom_protocol.safe import SafeTx, payment_safe_tx, rejection_safe_tx, safe_tx_hash
from strongroom_protocol.signatures import Signature
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.operations.clearances import read_clearance, remember_list_version
from strongroom_signer.operations.limits import count_spend, spent_units
from strongroom_signer.operations.reading import anything, signature_at

# An intent that is valid for longer than this was not meant for one payment.
INTENT_SECONDS_MAX = 30 * 86_400
# A rejection only consumes its nonce, so its Permit may wait long for a miner.
REJECTION_SECONDS = 30 * 86_400
APPROVALS_MAX = 100
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


def vault_permit(house: House, body: dict[str, Any], _trace: str) -> Once | Plan:
    """→ {safe_tx_hash, policy_version, valid_until, permit_signature}; dry: the verdict alone."""
    members = Members(body, "body", {*_NAMES, "clearance", "dry_run"})
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
        permit = Permit(
            asked.organisation.vault,
            asked.safe_tx_hash,
            plan["policy_version"],
            plan["valid_until"],
        )
        digest = permit.digest(house.config.chain_id, house.deployment.guard)
        return {
            "safe_tx_hash": plan["safe_tx_hash"],
            "policy_version": plan["policy_version"],
            "valid_until": plan["valid_until"],
            "permit_signature": to_hex(house.keyring.permit(digest).to_bytes()),
        }

    def still() -> None:
        require_alive(house, asked.organisation)

    identity = keccak256(asked.kind.encode() + asked.safe_tx_hash)
    return Once("vault_permit", request_id, identity, prepare, sign, still)


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
    require(
        intent.store_epoch == house.journal.epoch,
        "epoch_stale",
        f"the intent binds store epoch {intent.store_epoch}, now is {house.journal.epoch}: "
        "people sign a new one",
    )
    if kind == "payment":
        safe_tx = payment_safe_tx(intent.token, intent.to, intent.units, nonce)
    else:
        safe_tx = rejection_safe_tx(organisation.vault, nonce)
    chain_id = house.config.chain_id
    return Asked(
        organisation=organisation,
        intent=intent,
        intent_id=intent.digest(chain_id),
        initiator_signature=members.part("initiator_signature", signature_at),
        kind=kind,
        safe_tx=safe_tx,
        safe_tx_hash=safe_tx_hash(chain_id, organisation.vault, safe_tx),
        approvals=members.list("approvals", _approval, maximum=APPROVALS_MAX),
        clearance=members.part("clearance", anything),
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
    verdict = _judge(house, asked)
    require(verdict.kind != "denied", "policy_denied", verdict.sentence)
    require(verdict.kind == "allowed", "approvals_missing", verdict.sentence)
    clearance = _cleared(house, asked)
    _check_free(house, asked)
    remember_list_version(house, clearance)
    asset = _asset(asked)
    count_spend(house, asked.intent_id, organisation.ref, asset, intent.units)
    slot = (organisation.vault, asked.safe_tx.nonce, "payment")
    house.journal.add("vault_nonce", *slot, asked.intent_id, asked.intent_id, asked.safe_tx_hash)
    return _plan(asked, min(intent.valid_until, clearance.valid_until, organisation.lapses_at))


def _check_free(house: House, asked: Asked) -> None:
    """One payment a nonce, and none after its rejection."""
    vault, nonce = asked.organisation.vault, asked.safe_tx.nonce
    paid = house.journal.one(
        "SELECT intent FROM vault_nonce WHERE vault = ? AND nonce = ? AND kind = 'payment'",
        vault,
        nonce,
    )
    require(
        paid is None or bytes(paid[0]) == asked.intent_id,
        "safe_nonce_taken",
        f"nonce {nonce} of this vault belongs to another payment for ever",
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
    threshold = organisation.bundle.vault.threshold
    require(
        len(approved.approvers) >= threshold,
        "approvals_missing",
        f"{len(approved.approvers)} of {threshold} owners have signed the rejection",
    )
    row = house.journal.one(
        "SELECT intent FROM vault_nonce WHERE vault = ? AND nonce = ? AND kind = 'payment'",
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


def _judge(house: House, asked: Asked) -> Verdict:
    """People first, then the policy with the signer's own counters."""
    organisation, intent, now = asked.organisation, asked.intent, house.clock.now()
    require(
        intent.valid_until <= now + INTENT_SECONDS_MAX,
        "intent_too_long",
        f"an intent may be valid for {INTENT_SECONDS_MAX // 86_400} days at most",
    )
    approved = recover_approvals(
        organisation.people_now,
        intent,
        asked.initiator_signature,
        asked.safe_tx,
        asked.approvals,
        now,
    )
    if approved.initiator is None:
        raise Refused("initiator_unknown", "a payment needs the initiator's signature")
    _check_cooled(house, asked)
    asset = _asset(asked)
    facts = Facts(
        initiator=approved.initiator.id,
        asset=asset,
        units=intent.units,
        destination=intent.to,
        now=now,
        spent_units=spent_units(house, organisation.ref, asset),
        approvers=approved.approver_ids(),
    )
    return evaluate(organisation.people_now, facts)


def _asset(asked: Asked) -> str:
    contract = None if asked.intent.token == ZERO else asked.intent.token
    token = asked.organisation.bundle.token_of(contract)
    if token is None:
        raise Refused("token_unknown", "the token is not in the signed policy")
    return token.asset.code


def _check_cooled(house: House, asked: Asked) -> None:
    """A destination that is not in the book is the policy's to deny."""
    row = house.journal.one(
        "SELECT founding, at FROM first_seen WHERE organisation = ? AND address = ?",
        asked.organisation.ref,
        asked.intent.to,
    )
    if row is None or row[0]:
        return
    usable_from = int(row[1]) + house.config.cooling_seconds
    require(
        house.clock.now() >= usable_from,
        "destination_cooling",
        f"this destination was first seen lately and may be paid from {usable_from} (Unix time)",
    )


def _cleared(house: House, asked: Asked) -> Clearance:
    require(
        asked.clearance is not None,
        "clearance_missing",
        "no payment leaves without a screening clearance of its destination",
    )
    clearance = read_clearance(house, asked.organisation, asked.clearance, "clearance")
    require(
        clearance.direction == "out"
        and clearance.subject == asked.intent.to
        and clearance.intent == asked.intent_id,
        "clearance_differs",
        "the clearance is for another destination or another intent",
    )
    return clearance


def _dry_verdict(house: House, asked: Asked) -> Plan:
    """What would be answered, with no journal entry and no key use."""
    missing: tuple[str, ...] = ()
    kind: str
    if asked.kind == "rejection":
        kind, rule_id, sentence = "allowed", "rejection", "A rejection may be signed."
    else:
        verdict = _judge(house, asked)
        _check_free(house, asked)
        kind, rule_id, sentence = verdict.kind, verdict.rule_id, verdict.sentence
        missing = tuple(need.sentence() for need in verdict.missing)
        if asked.clearance is not None:
            _cleared(house, asked)
    return {
        "verdict": kind,
        "rule_id": rule_id,
        "sentence": sentence,
        "missing": list(missing),
        "safe_tx_hash": to_hex(asked.safe_tx_hash),
        "policy_version": asked.organisation.bundle.version,
    }

"""`spending_payment`: a payment by a spending key of the organisation's own: hot on the online
signer, cold on an offline machine. The transaction is made here from what people signed.

Who signed: the initiator and the approvers the Withdrawal, the screener the clearance. A bump needs
the initiator's word to be valid still; a cancellation needs nobody's: it moves nothing, within the
fee that people allowed, and never frees the intent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.evidence import recover_initiator, recover_order_approvals
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.policy import Verdict
from strongroom_protocol.rates import RateStatement
from strongroom_protocol.safe import payment_call
from strongroom_protocol.signatures import Signature
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import require
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.operations import attempts, judging
from strongroom_signer.operations.calls import Call
from strongroom_signer.operations.clearances import remember_list_version
from strongroom_signer.operations.leaves import own_spending_key
from strongroom_signer.operations.reading import anything, signature_at, signatures_in

PAYMENT = "payment"
_NAMES = {"organisation", "intent", "initiator_signature", "approvals", "clearance", "kind"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to pay, read strictly; nothing of it is believed yet."""

    organisation: Organisation
    intent: Withdrawal
    intent_id: bytes
    initiator_signature: Signature
    approvals: tuple[Signature, ...]
    clearance: Any
    rates: tuple[RateStatement, ...]


def spending_payment(house: House, body: dict[str, Any], _trace: str) -> Once | Plan:
    """→ {from, nonce, raw, hash, fees}, idempotent by (intent, attempt); dry: the verdict alone."""
    members = Members(body, "body", {*_NAMES, "attempt", "fees", "dry_run"}, judging.OPTIONAL)
    asked = _read(house, members)
    purpose = members.choice("kind", frozenset({PAYMENT, attempts.CANCEL}))
    number, is_payment = attempts.read_number(members), purpose == PAYMENT
    leaf = own_spending_key(house, asked.organisation, asked.intent.wallet)
    name = keccak256(b"spending" + asked.intent_id + number.to_bytes(4, "big"))
    attempt = attempts.Attempt(
        op="spending_payment",
        purpose=purpose,
        key=asked.intent.wallet,
        ref=asked.intent_id,
        number=number,
        fees=members.part("fees", attempts.read_fees),
        organisation=asked.organisation,
        request_id=asked.intent_id if is_payment and number == 0 else name,
        content=keccak256(purpose.encode() + asked.intent_id),
        leaf=leaf,
    )
    if members.boolean("dry_run"):
        return _dry_verdict(house, asked, is_payment=is_payment)

    def still() -> None:
        if is_payment:
            _check_ordered(house, asked)

    return attempts.once(house, attempt, lambda: _pay(house, asked), still=still)


def _read(house: House, members: Members) -> Asked:
    intent = Withdrawal.from_fields(members.part("intent", anything), field="intent")
    organisation = find(house, members.hash32("organisation"))
    return Asked(
        organisation=organisation,
        intent=intent,
        intent_id=intent.digest(house.config.chain_id),
        initiator_signature=members.part("initiator_signature", signature_at),
        approvals=tuple(signatures_in(members, "approvals")),
        clearance=members.part("clearance", anything),
        rates=judging.read_rates(members, organisation),
    )


def _check_ordered(house: House, asked: Asked) -> None:
    """What every attempt to pay needs, bumps too: nobody stopped it, and its order still stands."""
    organisation, intent = asked.organisation, asked.intent
    require_alive(house, organisation)
    judging.check_epoch(house, intent.store_epoch)
    now = house.clock.now()
    recover_initiator(organisation.people_now, intent, asked.initiator_signature, now)
    key = organisation.bundle.spending_at(intent.wallet)
    require(
        key is not None and (key.kind == "cold") == (house.config.kind == "cold"),
        "wallet_differs",
        "the signed policy has no such spending key for this signer (hot: online, cold: offline)",
    )


def _judge(house: House, asked: Asked) -> judging.Judged:
    organisation, intent = asked.organisation, asked.intent
    approved = recover_order_approvals(
        organisation.people_now,
        intent,
        asked.initiator_signature,
        asked.approvals,
        house.clock.now(),
    )
    return judging.judge(house, organisation, intent, approved, asked.rates, intent.wallet)


def _pay(house: House, asked: Asked) -> Call:
    """Check: Effect, inside the unit: the very call that a vault would make."""
    organisation, intent = asked.organisation, asked.intent
    judged = _judge(house, asked)
    judging.require_allowed(judged.verdict)
    clearance = judging.cleared(house, organisation, asked.intent_id, intent.to, asked.clearance)
    remember_list_version(house, clearance)
    judging.count_payment(house, asked.intent_id, organisation, judged.facts)
    called, value, data = payment_call(intent.token, intent.to, intent.units)
    fee = min(intent.max_fee_wei, organisation.bundle.max_total_fee_wei)
    return Call(called, data, asked.intent_id, fee, value=value)


def _dry_verdict(house: House, asked: Asked, *, is_payment: bool) -> Plan:
    verdict = Verdict("allowed", attempts.CANCEL, "A cancellation may be signed.")
    if is_payment:
        _check_ordered(house, asked)
        verdict = _judge(house, asked).verdict
        if asked.clearance is not None:
            organisation, subject = asked.organisation, asked.intent.to
            judging.cleared(house, organisation, asked.intent_id, subject, asked.clearance)
    return judging.dry_answer(asked.organisation, verdict, intent=to_hex(asked.intent_id))

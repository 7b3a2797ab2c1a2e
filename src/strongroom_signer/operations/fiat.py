"""`fiat_order`: the orders key's permit for one exact list of instructions to a bank, a card
network or a mobile-money service. The gateway that holds the credentials pays nothing without it.

Who signed: the initiator and the approvers the FiatOrder, the screener the clearance of the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strongroom_protocol.bundle import FiatSource
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.evidence import recover_order_approvals
from strongroom_protocol.fiat import (
    INSTRUCTIONS_MAX,
    Instruction,
    check_order,
    judge_order,
    read_instruction,
    screening_subject,
)
from strongroom_protocol.intents import FiatOrder, FiatPermit
from strongroom_protocol.policy import Verdict
from strongroom_protocol.signatures import Signature
from strongroom_signer.agreement import agreed_statement
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import Refused
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.operations import judging
from strongroom_signer.operations.clearances import remember_list_version
from strongroom_signer.operations.limits import count_spend, spent_units
from strongroom_signer.operations.reading import anything, signature_at, signatures_in

_NAMES = {"organisation", "intent", "instructions", "initiator_signature", "approvals"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read strictly; nothing of it is believed yet."""

    organisation: Organisation
    order: FiatOrder
    order_id: bytes
    source: FiatSource
    instructions: tuple[Instruction, ...]
    initiator_signature: Signature
    approvals: tuple[Signature, ...]
    clearance: Any

    @property
    def counter(self) -> str:
        """What the day's limit of the source counts."""
        return f"{self.source.asset.code} from {self.source.source}"


def fiat_order(house: House, body: dict[str, Any], _trace: str) -> Once | Plan:
    """→ {order, content, valid_until, signature}, once an order for ever; dry: the verdict."""
    members = Members(body, "body", {*_NAMES, "clearance", "dry_run"})
    asked = _read(house, members)
    if members.boolean("dry_run"):
        return _dry_verdict(house, asked)

    def sign(plan: Plan) -> Plan:
        permit = FiatPermit(asked.order_id, asked.order.content, plan["valid_until"])
        signature = house.keyring.order(agreed_statement(house.config.chain_id, permit))
        return {**plan, "signature": to_hex(signature.to_bytes())}

    return Once(
        op="fiat_order",
        id=asked.order_id,
        identity=asked.order_id,
        prepare=lambda: _prepare(house, asked),
        sign=sign,
        still=lambda: require_alive(house, asked.organisation),
    )


def _read(house: House, members: Members) -> Asked:
    organisation = find(house, members.hash32("organisation"))
    order = FiatOrder.from_fields(members.part("intent", anything), field="intent")
    source = organisation.bundle.fiat_source(order.source)
    if source is None:
        raise Refused("source_unknown", "the signed policy has no such fiat source")
    instructions = members.list("instructions", read_instruction, 1, INSTRUCTIONS_MAX)
    check_order(order, instructions)
    judging.check_epoch(house, order.store_epoch)
    return Asked(
        organisation=organisation,
        order=order,
        order_id=order.digest(house.config.chain_id),
        source=source,
        instructions=instructions,
        initiator_signature=members.part("initiator_signature", signature_at),
        approvals=tuple(signatures_in(members, "approvals")),
        clearance=members.part("clearance", anything),
    )


def _judge(house: House, asked: Asked) -> Verdict:
    require_alive(house, asked.organisation)
    judging.check_length(house, asked.order.valid_until)
    approved = recover_order_approvals(
        asked.organisation.people_now,
        asked.order,
        asked.initiator_signature,
        asked.approvals,
        house.clock.now(),
    )
    spent = spent_units(house, asked.organisation.ref, asked.counter)
    return judge_order(asked.source, asked.order, asked.instructions, approved, spent)


def _prepare(house: House, asked: Asked) -> Plan:
    """Check: Effect, inside the unit."""
    organisation, order = asked.organisation, asked.order
    judging.require_allowed(_judge(house, asked))
    subject = screening_subject(order.content)
    clearance = judging.cleared(house, organisation, asked.order_id, subject, asked.clearance)
    remember_list_version(house, clearance)
    count_spend(house, asked.order_id, organisation.ref, asked.counter, order.units)
    until = min(order.valid_until, clearance.valid_until, organisation.lapses_at)
    return {
        "order": to_hex(asked.order_id),
        "content": to_hex(order.content),
        "valid_until": until,
    }


def _dry_verdict(house: House, asked: Asked) -> Plan:
    verdict = _judge(house, asked)
    if asked.clearance is not None:
        subject = screening_subject(asked.order.content)
        judging.cleared(house, asked.organisation, asked.order_id, subject, asked.clearance)
    return judging.dry_answer(asked.organisation, verdict, order=to_hex(asked.order_id))

"""Outward fiat instructions: the canonical list that people and the orders key sign by its hash,
the verdict on an order, and the gateway's check of the permit before it hands the list to a bank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import Amount
from strongroom_protocol.bundle import FiatSource, Limit
from strongroom_protocol.canonical import content_hash
from strongroom_protocol.documents import Members
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.evidence import Approved
from strongroom_protocol.intents import FiatOrder, FiatPermit
from strongroom_protocol.policy import Demand, Verdict, above_limit
from strongroom_protocol.rules import Group
from strongroom_protocol.signatures import Signature, recover

TYPE = "strongroom.fiat/1"
INSTRUCTIONS_MAX = 1_000
ACCOUNT_MAX = 64


class FiatRefused(ProtocolError):
    """Instructions, order and permit do not belong together; `code` says which part."""

    code = "fiat.refused"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One payee: name, account as the rail writes it (IBAN, card token, phone), units, purpose."""

    beneficiary: str
    account: str
    units: int
    reference: str


def read_instruction(value: object, path: str) -> Instruction:
    """Raises FieldInvalid."""
    members = Members(value, path, {"beneficiary", "account", "units", "reference"})
    units = members.units("units")
    if units == 0:
        raise members.fail("units", "must be more than zero")
    return Instruction(
        members.text("beneficiary"),
        members.text("account", ACCOUNT_MAX),
        units,
        members.text("reference"),
    )


def content_of(source: str, rail: str, asset: str, instructions: Sequence[Instruction]) -> bytes:
    """Keccak-256 of the canonical JSON of the whole list, in its order: 32 bytes."""
    rows: list[dict[str, Any]] = [
        {
            "beneficiary": one.beneficiary,
            "account": one.account,
            "units": str(one.units),
            "reference": one.reference,
        }
        for one in instructions
    ]
    head = {"type": TYPE, "source": source, "rail": rail, "asset": asset}
    return content_hash({**head, "instructions": rows})


def screening_subject(content: bytes) -> Address:
    """What a clearance of an order names as its subject: the last 20 bytes of `content`, because
    it is this very list of payees that was screened.
    """
    return Address(content[12:])


def check_order(order: FiatOrder, instructions: Sequence[Instruction]) -> None:
    """Returns if the list is what the order says; raises FiatRefused."""
    if not 0 < len(instructions) <= INSTRUCTIONS_MAX or order.count != len(instructions):
        words = f"the order says {order.count} instructions, the list has {len(instructions)}"
        raise FiatRefused(words, code="fiat.count_differs")
    total = sum(one.units for one in instructions)
    if order.units != total:
        words = f"the order says {order.units} units, the list adds up to {total}"
        raise FiatRefused(words, code="fiat.total_differs")
    if order.content != content_of(order.source, order.rail, order.asset, instructions):
        words = "the list is not the one whose hash people signed: a name, account or purpose"
        raise FiatRefused(words, code="fiat.content_differs")


def judge_order(
    source: FiatSource,
    order: FiatOrder,
    instructions: Sequence[Instruction],
    approved: Approved,
    spent_units: int,
) -> Verdict:
    """The verdict on an order whose list was checked: rail, asset, payees, limits, approvers.

    `spent_units` left the source in the day before. The bundle's rules name chain assets and
    addresses and have no say here: the source's own members are the whole policy.
    """
    if (order.rail, order.asset) != (source.rail, source.asset.code):
        return _denied("rail", f"{source.source} pays {source.asset.code} by {source.rail} alone.")
    listed = source.beneficiaries
    strangers = [
        one.beneficiary for one in instructions if listed and one.beneficiary not in listed
    ]
    if strangers:
        return _denied("beneficiaries", f"{strangers[0]} is no payee of {source.source}.")
    limit = Limit(source.asset, source.per_order_units, source.per_day_units)
    above = above_limit(limit, order.units, spent_units)
    if above is not None:
        return _denied("limits", above)
    need = _approvers(source, source.threshold)
    there = len(approved.approvers)
    amount = Amount(order.units, source.asset)
    if there < source.threshold:
        rest = _approvers(source, source.threshold - there)
        sentence = f"{amount} from {source.source} waits for {rest.sentence()}."
        return Verdict("awaiting_approvals", source.source, sentence, (need,), (rest,))
    sentence = f"{source.source} may pay {amount}: everybody it asks for has approved."
    return Verdict("allowed", source.source, sentence, (need,))


def verify_permit(
    order: FiatOrder,
    instructions: Sequence[Instruction],
    permit: FiatPermit,
    signature: Signature,
    *,
    payer: tuple[bytes, str],
    chain_id: int,
    orders_key: Address,
    now: int,
) -> None:
    """For the gateway: returns if the orders key permitted exactly this list, and still does.

    `payer` is the organisation (32 bytes) and its source whose credentials the gateway holds:
    another organisation may name a source alike, and the orders key is everybody's. It and
    `orders_key` come from the ceremony, never from a database; an order is paid once, by its
    digest: that memory is the gateway's. Raises FiatRefused, SignatureInvalid.
    """
    if (order.organisation, order.source) != payer:
        raise FiatRefused("the order is not by this payer", code="fiat.permit_foreign")
    check_order(order, instructions)
    if (permit.order, permit.content) != (order.digest(chain_id), order.content):
        raise FiatRefused("the permit is for another order", code="fiat.permit_differs")
    if now > min(permit.valid_until, order.valid_until):
        raise FiatRefused("the permit has expired", code="fiat.permit_expired")
    signer = recover(permit.digest(chain_id), signature)
    if signer != orders_key:
        words = f"the permit is signed by {checksum(signer)}, not by the signer's orders key"
        raise FiatRefused(words, code="fiat.permit_forged")


def _approvers(source: FiatSource, count: int) -> Demand:
    return Demand(source.source, ((Group("approver", None, count),),))


def _denied(rule_id: str, sentence: str) -> Verdict:
    return Verdict("denied", rule_id, sentence)

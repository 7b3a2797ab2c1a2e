"""P1: a permit for a bank file is issued for the list that people signed, and verifies outside."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from strongroom_protocol.addresses import checksum
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.fiat import (
    FiatRefused,
    content_of,
    read_instruction,
    screening_subject,
    verify_permit,
)
from strongroom_protocol.intents import FiatOrder, FiatPermit
from strongroom_protocol.signatures import Signature
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import (
    CHAIN_ID,
    DAY,
    STRANGE,
    Company,
    Key,
    screened,
)
from tests.integration.strongroom_signer.spending import Body

BANK = {
    "source": "bank:operating",
    "rail": "bank_file",
    "asset": "EUR/2",
    "threshold": 2,
    "per_order_units": "10000",
    "per_day_units": "15000",
    "beneficiaries": ["Ann", "Bo"],
}
ANN = {"beneficiary": "Ann", "account": "DE02120300000000202051", "units": "7000"}
BO = {"beneficiary": "Bo", "account": "NL91ABNA0417164300", "units": "500"}
LIST = [ANN | {"reference": "rent"}, BO | {"reference": "fee"}]
STRANGER = Key.named("stranger")


def banked(desk: Desk, **changes: Any) -> Company:
    company = desk.company(founded=False)
    company.bundle |= {"fiat": [BANK | changes]}
    desk.get("policy_first", company.policy_first())
    return company


def order(company: Company, rows: Sequence[Body] = LIST, **changes: Any) -> FiatOrder:
    company.nonce += 1
    place = ("bank:operating", "bank_file", "EUR/2")
    instructions = [read_instruction(row, "row") for row in rows]
    found = FiatOrder(
        company.ref,
        *place,
        units=sum(one.units for one in instructions),
        count=len(rows),
        content=content_of(*place, instructions),
        reference=f"run {company.nonce}",
        valid_until=company.now + DAY,
        policy_version=company.bundle["version"],
        store_epoch=1,
    )
    return replace(found, **changes)


def ask_fiat(
    company: Company,
    intent: FiatOrder,
    rows: Sequence[Body] = LIST,
    approvers: Sequence[Key] | None = None,
    cleared: Body | None = None,
    **changes: Any,
) -> Body:
    digest = intent.digest(CHAIN_ID)
    keys = company.approvers[:2] if approvers is None else approvers
    screened_for = {
        "subject": checksum(screening_subject(intent.content)),
        "intent": to_hex(digest),
        **(cleared or {}),
    }
    document = company.clearance(company.intent(STRANGE), **screened_for)
    return {
        "organisation": company.reference,
        "intent": intent.fields(),
        "instructions": list(rows),
        "initiator_signature": company.initiator.sign(digest),
        "approvals": [key.sign(digest) for key in keys],
        "clearance": screened(document),
        "dry_run": False,
        **changes,
    }


def _verify(desk: Desk, intent: FiatOrder, answer: Body, rows: Sequence[Body] = LIST) -> None:
    """As the gateway does, with the orders key of the ceremony."""
    permit = FiatPermit(
        from_hex(answer["order"]), from_hex(answer["content"]), answer["valid_until"]
    )
    verify_permit(
        intent,
        [read_instruction(row, "row") for row in rows],
        permit,
        Signature.parse(from_hex(answer["signature"])),
        payer=(intent.organisation, "bank:operating"),
        chain_id=CHAIN_ID,
        orders_key=desk.house.config.keys.orders,
        now=desk.clock.now(),
    )


def test_an_order_by_the_quorum_gets_a_permit_that_the_gateway_verifies(desk: Desk) -> None:
    company = banked(desk)
    intent = order(company)
    answer = desk.get("fiat_order", ask_fiat(company, intent))
    _verify(desk, intent, answer)
    forged = [ANN | {"reference": "rent", "account": "GB33BUKB20201555555555"}, LIST[1]]
    with pytest.raises(FiatRefused):
        _verify(desk, intent, answer, forged)
    assert answer["valid_until"] <= company.now + DAY


def test_a_retry_gets_the_stored_permit_and_counts_once(desk: Desk) -> None:
    company = banked(desk)
    body = ask_fiat(company, order(company))
    first = desk.get("fiat_order", body)
    entries = desk.counts()
    assert desk.get("fiat_order", body) == first
    assert desk.counts() == entries


def test_orders_of_a_day_stay_below_the_sources_limit(desk: Desk) -> None:
    company = banked(desk)
    for _ in range(2):
        desk.get("fiat_order", ask_fiat(company, order(company)))
    third = ask_fiat(company, order(company))
    assert desk.refused("fiat_order", third) == "signer.policy_denied"
    desk.clock.advance(DAY + 3 * 3600)
    company.now = desk.clock.now()
    desk.get("fiat_order", ask_fiat(company, order(company)))


def test_dry_run_tells_the_verdict_and_leaves_no_entry(desk: Desk) -> None:
    company = banked(desk)
    size, entries = desk.house.journal.size, desk.counts()
    dry = {"dry_run": True, "clearance": None}
    waiting = ask_fiat(company, order(company), approvers=company.approvers[:1]) | dry
    answer = desk.get("fiat_order", waiting)
    assert (answer["verdict"], answer["missing"]) == ("awaiting_approvals", ["1 approver"])
    assert desk.get("fiat_order", ask_fiat(company, order(company)) | dry)["verdict"] == "allowed"
    assert (desk.house.journal.size, desk.counts()) == (size, entries)


def _rows(c: Company, rows: list[Body]) -> Body:
    return ask_fiat(c, order(c, rows), rows)


def _swapped(c: Company, rows: list[Body]) -> Body:
    """People signed LIST; another list is shown."""
    return ask_fiat(c, order(c), rows)


def _ordered_by(c: Company, key: Key) -> Body:
    intent = order(c)
    return ask_fiat(c, intent, initiator_signature=key.sign(intent.digest(CHAIN_ID)))


CASES: dict[str, tuple[Callable[[Company], Body], str]] = {
    "another account": (
        lambda c: _swapped(c, [LIST[0] | {"account": "GB33BUKB20201555555555"}, LIST[1]]),
        "fiat_content_differs"),
    "another name": (
        lambda c: _swapped(c, [LIST[0] | {"beneficiary": "Bo"}, LIST[1]]), "fiat_content_differs"),
    "more money": (
        lambda c: _swapped(c, [LIST[0] | {"units": "7001"}, LIST[1]]), "fiat_total_differs"),
    "a row more": (lambda c: _swapped(c, [*LIST, LIST[1]]), "fiat_count_differs"),
    "no row": (lambda c: _swapped(c, []), "protocol_field_invalid"),
    "a payee who is not listed": (
        lambda c: _rows(c, [LIST[0] | {"beneficiary": "Eve"}]), "policy_denied"),
    "more than one order's limit": (
        lambda c: _rows(c, [LIST[0] | {"units": "10001"}]), "policy_denied"),
    "a source of no policy": (
        lambda c: ask_fiat(c, order(c, source="bank:other")), "source_unknown"),
    "another rail": (lambda c: ask_fiat(c, order(c, rail="mobile_money")), "fiat_content_differs"),
    "one approval of two": (
        lambda c: ask_fiat(c, order(c), approvers=c.approvers[:1]), "approvals_missing"),
    "an approval by a stranger": (
        lambda c: ask_fiat(c, order(c), approvers=[c.approvers[0], STRANGER]),
        "evidence_approver_unknown"),
    "one person twice": (
        lambda c: ask_fiat(c, order(c), approvers=[c.approvers[0]] * 2),
        "evidence_approved_twice"),
    "a forged initiator": (lambda c: _ordered_by(c, STRANGER), "evidence_initiator_unknown"),
    "an approver as initiator": (
        lambda c: _ordered_by(c, c.approvers[2]), "evidence_initiator_unknown"),
    "an expired order": (
        lambda c: ask_fiat(c, order(c, valid_until=c.now - 1)), "evidence_expired"),
    "an order for a year": (
        lambda c: ask_fiat(c, order(c, valid_until=c.now + 365 * DAY)), "intent_too_long"),
    "another policy version": (
        lambda c: ask_fiat(c, order(c, policy_version=2)), "evidence_policy_version"),
    "another epoch": (lambda c: ask_fiat(c, order(c, store_epoch=2)), "epoch_stale"),
    "another organisation's order": (
        lambda c: ask_fiat(c, order(c, organisation=bytes(32))), "evidence_organisation"),
    "no clearance": (lambda c: ask_fiat(c, order(c), clearance=None), "clearance_missing"),
    "a clearance of another list": (
        lambda c: ask_fiat(c, order(c), cleared={"intent": "0x" + "11" * 32}),
        "clearance_differs"),
    "a hit": (lambda c: ask_fiat(c, order(c), cleared={"verdict": "HIT"}), "evidence_not_clear"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_order_is_refused_with_a_code_and_no_entry_for(case: str, desk: Desk) -> None:
    company = banked(desk)
    build, code = CASES[case]
    assert desk.refused("fiat_order", build(company)) == f"signer.{code}"


def test_where_any_payee_is_allowed_the_approvers_saw_the_names(desk: Desk) -> None:
    company = banked(desk, beneficiaries="any", rail="bank_file")
    body = _rows(company, [LIST[0] | {"beneficiary": "Eve"}])
    assert desk.get("fiat_order", body)["signature"]


def test_another_asset_than_the_sources_is_denied(desk: Desk) -> None:
    company = banked(desk, asset="USD/2")
    assert desk.refused("fiat_order", ask_fiat(company, order(company))) == "signer.policy_denied"


def test_suspension_stops_orders(desk: Desk) -> None:
    company = banked(desk)
    desk.get("suspend", company.suspension())
    body = ask_fiat(company, order(company))
    for dry_run in (False, True):
        assert desk.refused("fiat_order", body | {"dry_run": dry_run}) == "signer.suspended"

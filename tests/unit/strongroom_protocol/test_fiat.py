"""The gateway pays the very list that people and the orders key signed, and nothing else."""

from dataclasses import replace

import pytest

from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.fiat import (
    FiatRefused,
    Instruction,
    content_of,
    read_instruction,
    verify_permit,
)
from strongroom_protocol.intents import FiatOrder, FiatPermit
from tests.unit.strongroom_protocol.organisation import ADA, CHAIN_ID, EVE, NOW

LIST = (
    Instruction("Ann", "DE02120300000000202051", 70, "rent"),
    Instruction("Bo", "NL91ABNA0417164300", 30, "fee"),
)
PLACE = ("bank:operating", "bank_file", "EUR/2")
ORDER = FiatOrder(b"\1" * 32, *PLACE, 100, 2, content_of(*PLACE, LIST), "march", NOW + 60, 1, 1)
PERMIT = FiatPermit(ORDER.digest(CHAIN_ID), ORDER.content, NOW + 30)
SWAPPED = (replace(LIST[0], account="GB33BUKB20201555555555"), LIST[1])


def verify(order=ORDER, instructions=LIST, permit=PERMIT, key=ADA, now=NOW):
    signature = key.sign(permit.digest(CHAIN_ID))
    verify_permit(
        order,
        instructions,
        permit,
        signature,
        payer=(b"\1" * 32, PLACE[0]),
        chain_id=CHAIN_ID,
        orders_key=ADA.address,
        now=now,
    )


def test_a_permitted_list_passes():
    verify()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"instructions": LIST[:1]}, "fiat.count_differs"),
        ({"instructions": (replace(LIST[0], units=71), LIST[1])}, "fiat.total_differs"),
        ({"instructions": SWAPPED}, "fiat.content_differs"),
        ({"instructions": LIST[::-1]}, "fiat.content_differs"),
        ({"order": replace(ORDER, organisation=b"\2" * 32)}, "fiat.permit_foreign"),
        ({"order": replace(ORDER, source="bank:other")}, "fiat.permit_foreign"),
        ({"order": replace(ORDER, rail="card_refund")}, "fiat.content_differs"),
        ({"order": replace(ORDER, reference="april")}, "fiat.permit_differs"),
        ({"permit": replace(PERMIT, content=bytes(32))}, "fiat.permit_differs"),
        ({"now": NOW + 31}, "fiat.permit_expired"),
        ({"permit": replace(PERMIT, valid_until=NOW + 99), "now": NOW + 61}, "fiat.permit_expired"),
        ({"key": EVE}, "fiat.permit_forged"),
    ],
)
def test_anything_else_is_refused(changes, code):
    with pytest.raises(FiatRefused) as caught:
        verify(**changes)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "changes", [{"units": 70}, {"units": "0"}, {"account": ""}, {"beneficiary": "a\nb"}, {"x": 1}]
)
def test_an_instruction_is_read_strictly(changes):
    row = {"beneficiary": "Ann", "account": "DE02", "units": "70", "reference": "rent"}
    read_instruction(row, "here")
    with pytest.raises(FieldInvalid):
        read_instruction(row | changes, "here")


@pytest.mark.parametrize("changes", [{"units": 0}, {"count": 0}, {"reference": ""}])
def test_an_order_of_nothing_is_none(changes):
    with pytest.raises(FieldInvalid):
        replace(ORDER, **changes)

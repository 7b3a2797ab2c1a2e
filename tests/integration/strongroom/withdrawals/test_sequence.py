"""P1: groups sign one after the other, deputies in a place, and everybody sees who is next."""

from collections.abc import Iterator
from typing import Any

import pytest

from strongroom.kit.errors import StrongroomError
from strongroom.vaults.examiner import Examiner
from strongroom.withdrawals import service as withdrawals
from tests.factories.house import TUSD, person, sign
from tests.factories.stage import Stage

TREASURY = {"role": "approver", "department": "treasury", "minimum": 1}
BOARD = {"role": "approver", "department": "board", "minimum": 1}
SEQUENCE = {
    "id": "treasury-then-board",
    "verdict": "approvals",
    "when": {"assets": [TUSD]},
    "approvals": [[TREASURY, BOARD]],
}


@pytest.fixture(autouse=True)
def nothing_waits(stage: Stage) -> Iterator[None]:
    """Every test leaves the vault's turn free."""
    yield
    for view in waiting(stage):
        with stage.unit() as uow:
            data = withdrawals.rejection_data(uow, view.id, "the test is over")
            signature = sign(stage.cast.ines, data)
            withdrawals.cancel(uow, view.id, reason="the test is over", signature=signature)


def waiting(stage: Stage) -> list[Any]:
    with stage.unit() as uow:
        return list(withdrawals.page(uow, state="awaiting_approval"))


def code_of(stage: Stage, view: Any, who: Any) -> str:
    with pytest.raises(StrongroomError) as caught:
        stage.approve(view.id, who)
    return caught.value.code


def shown(stage: Stage, view: Any) -> Any:
    with stage.unit() as uow:
        return withdrawals.signing_data(uow, view.id)


def test_a_later_group_is_refused_until_the_earlier_one_has_signed(stage: Stage):
    stage.update_policy(rules=[SEQUENCE])
    view = stage.awaiting("in sequence", amount="5")
    before = shown(stage, view)
    assert before.may_sign_now == ("amir",)
    assert "1 approver of treasury, then 1 approver of board" in before.required
    assert code_of(stage, view, stage.cast.bea) == "withdrawal.not_your_turn"
    assert stage.view(view.id).approvals == ()
    stage.approve(view.id, stage.cast.amir)
    assert shown(stage, view).may_sign_now == ("bea", "ivo")
    stage.approve(view.id, stage.cast.bea)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


def test_a_deputy_signs_for_a_person_until_the_last_day(stage: Stage):
    """Bea is no approver now, but owns a key of the vault and stands for Amir for an hour."""
    now = int(stage.house.clock.now().timestamp())
    people = [
        {**one, "roles": ["auditor"]} if one["id"] == "bea" else one for one in stage.cast.people()
    ]
    stage.update_policy(
        rules=[SEQUENCE],
        people=people,
        deputies=[{"person": "amir", "deputy": "bea", "from": now - 60, "until": now + 3_000}],
    )
    view = stage.awaiting("by a deputy", amount="5")
    assert shown(stage, view).may_sign_now == ("amir", "bea")
    stage.approve(view.id, stage.cast.bea)
    (there,) = stage.view(view.id).approvals
    assert (there.person, there.stands_for, there.void) == ("bea", ("amir",), None)
    stage.house.clock.ahead_seconds = 3_200
    try:
        (later,) = stage.view(view.id).approvals
        assert later.void == "void: this person approves for this wallet no more"
        assert shown(stage, view).may_sign_now == ("amir",)
    finally:
        stage.house.clock.ahead_seconds = 0
    stage.approve(view.id, stage.cast.ivo)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


def test_an_approver_sees_lines_cautions_and_digests_of_the_bytes(stage: Stage):
    """P5."""
    view = stage.awaiting("is seen", amount="1250.5")
    with stage.unit() as uow:
        seen = withdrawals.what_is_seen(uow, view.id)
    assert seen is not None
    assert seen.decoded is not None
    assert [line.text for line in seen.decoded.lines] == [
        f"Pay 1,250.5 TUSD to Supplier ({stage.cast.supplier})."
    ]
    assert seen.decoded.digest == view.safe_tx_hash
    codes = {one.code for one in seen.cautions}
    assert "simulation_missing" in codes
    assert "first_payment" not in codes, "the tests above have paid this supplier"
    stage.simulation_loop.step()
    with stage.unit() as uow:
        again = withdrawals.what_is_seen(uow, view.id)
    assert again is not None
    assert again.cautions == ()
    assert again.simulation is not None
    assert again.simulation.succeeded


def test_a_destination_that_the_guard_does_not_know_is_pointed_out(stage: Stage):
    """The policy lists it, the chain not yet: as the relay's examiner read it there."""
    newcomer = person("newcomer").address
    book = [*stage.bundle()["address_book"], {"address": newcomer, "label": "Newcomer"}]
    stage.update_policy(address_book=book)
    examiner = Examiner(stage.house.role("relay"), stage.house.node, stage.chain.chain_id)
    examiner.step()
    view = stage.awaiting("to a newcomer", amount="5", to=newcomer)
    with stage.unit() as uow:
        seen = withdrawals.what_is_seen(uow, view.id)
    assert seen is not None
    codes = {one.code for one in seen.cautions}
    assert {"not_announced", "first_payment"} <= codes

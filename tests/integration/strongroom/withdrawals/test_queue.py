"""The vault's queue is looked at, and people are reminded that it waits for them."""

import json
from functools import partial
from typing import Any

import psycopg
import pytest

from strongroom.cli import vault as vault_command
from strongroom.db.actor import system
from strongroom.withdrawals import queue
from strongroom.withdrawals import service as withdrawals
from tests.factories.house import sign
from tests.factories.stage import Stage


def look(stage: Stage) -> Any:
    with stage.unit() as uow:
        return queue.doctor(uow)


def findings(found: Any) -> list[tuple[str, int]]:
    return [(one.finding, one.nonce) for one in found.complaints]


def take_back(stage: Stage, view: Any) -> None:
    with stage.unit() as uow:
        data = withdrawals.rejection_data(uow, view.id, "not after all")
    with stage.unit() as uow:
        signature = sign(stage.cast.ines, data)
        withdrawals.cancel(uow, view.id, reason="not after all", signature=signature)


def test_who_signs_what_is_told_for_a_payment_that_waits(stage: Stage):
    assert findings(look(stage)) == []
    view = stage.awaiting("in the queue", amount="5")
    found = look(stage)
    assert (found.next_nonce, findings(found)) == (0, [])
    (entry,) = found.entries
    assert (entry.name, entry.nonce, entry.signed) == ("in the queue", 0, ())
    assert len(found.people) == 2
    stage.approve(view.id, stage.cast.amir)
    assert [one.people for one in look(stage).resign] == [("bea",)]
    take_back(stage, view)
    assert look(stage).entries == ()


def test_a_payment_that_is_being_cancelled_needs_its_rejection_mined(
    stage: Stage, monkeypatch: Any, capsys: Any
):
    """What was permitted stays payable: only the mined rejection of its number cancels it."""
    view = stage.approved("to be cancelled", amount="6")
    stage.drive(until=lambda: stage.view(view.id).state == "signed", parts="worker permits")
    take_back(stage, view)
    found = look(stage)
    assert findings(found) == [("conflict", 0), ("cancelling", 0)]
    assert len(found.people) == 2
    environment = stage.house.environment("api")
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", environment["STRONGROOM_DATABASE_URL"])
    assert vault_command.run(["queue", str(stage.id)]) == 1
    assert "it is cancelled once the rejection of number 0 is mined" in capsys.readouterr().out
    assert vault_command.run(["queue", str(stage.id), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["people"] == list(found.people)
    for who in (stage.cast.amir, stage.cast.bea):
        stage.approve(view.id, who)
    ended = ("cancelled", "finalized")  # whichever of the two was mined first
    stage.drive(until=lambda: stage.view(view.id).state in ended)
    after = look(stage)
    assert (after.next_nonce, findings(after), after.entries) == (1, [], ())


def test_a_signature_that_counts_no_more_is_told_with_who_signs_instead(stage: Stage):
    view = stage.awaiting("stale", amount="7")
    stage.approve(view.id, stage.cast.amir)
    people = stage.cast.people()
    stage.update_policy(
        people=[{**one, "roles": ["auditor"]} if one["id"] == "amir" else one for one in people]
    )
    found = look(stage)
    assert findings(found) == [("stale_signatures", 1)]
    assert [one.people for one in found.resign] == [("bea", "ivo")]
    take_back(stage, view)
    stage.update_policy(people=people)


def test_those_whose_turn_it_is_are_reminded_until_they_have_signed(stage: Stage):
    view = stage.awaiting("reminded", amount="8", valid_for_seconds=3 * 86_400)
    stage.approve(view.id, stage.cast.amir)

    def reminded() -> list[tuple[str, ...]]:
        with stage.unit() as uow:
            return [one.people for one in withdrawals.reminders(uow, view.id)]

    def reached(count: int) -> bool:
        return len(reminded()) == count

    assert reached(0)
    try:
        for count, hours in ((1, 5), (2, 30), (3, 71.5)):
            stage.house.clock.ahead_seconds = int(hours * 3_600)
            stage.drive(until=partial(reached, count), parts="worker")
    finally:
        stage.house.clock.ahead_seconds = 0
    assert reminded() == [("bea", "ivo")] * 3
    with stage.unit() as uow:
        first = withdrawals.reminders(uow, view.id)[0]
    assert first.sentence.startswith("reminded waits for bea, ivo until")
    stage.approve(view.id, stage.cast.bea)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


@pytest.mark.parametrize("statement", [
    "UPDATE withdrawal_reminder SET people = '{}'",
    "INSERT INTO withdrawal_reminder SELECT * FROM withdrawal_reminder",
])  # fmt: skip
def test_the_api_cannot_write_that_somebody_was_reminded(stage: Stage, statement: str):
    with (
        stage.house.role("api").unit(stage.id, system("thief")) as uow,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        uow.execute(statement)

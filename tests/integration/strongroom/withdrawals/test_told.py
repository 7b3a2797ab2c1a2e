"""Each step of a withdrawal is told once, in order; what a reorganisation undoes is taken back."""

from typing import Any

from strongroom.webhooks import service as webhooks
from strongroom.webhooks.guard import Guard
from strongroom.withdrawals import service as withdrawals
from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.test_voiding import cancel

LONG = 2_000_000
WAITS = "withdrawal.awaiting_approval"


def _listen(stage: Stage) -> None:
    with stage.unit() as uow:
        webhooks.add(uow, Guard(), url="https://example.org/", label="", types=["*"])


def _told(stage: Stage, subject: str) -> list[Any]:
    with stage.unit() as uow:
        return list(reversed(webhooks.happened(uow, subject, limit=100)))


def test_each_step_of_a_payment_is_told_once_in_its_order_with_what_it_is_about(stage: Stage):
    _listen(stage)
    view = stage.approved("told", amount="2.5", memo="rent of May")
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    told = sorted(_told(stage, f"withdrawal:{view.id}"), key=lambda one: one.number)
    assert [one.type for one in told] == [f"withdrawal.{state}" for state in stage.states(view.id)]
    assert [one.number for one in told] == list(range(1, len(told) + 1))
    assert {one.retracts for one in told} == {()}
    assert told[-1].body == {
        "withdrawal_id": str(view.id),
        "intent": "0x" + view.intent.hex(),
        "reference": "told",
        "state": "finalized",
        "from_state": "mined",
        "reason": stage.view(view.id).reason,
        "asset": view.asset,
        "units": "2500000",
        "to": view.to,
        "wallet": view.wallet,
        "memo": "rent of May",
        "batch": None,
    }


def test_a_payment_that_is_sent_with_others_says_with_which(stage: Stage):
    _listen(stage)
    ids = [stage.order(f"told with {n}", amount=f"{n + 1}").id for n in range(2)]
    with stage.unit() as uow:
        withdrawals.put_together(uow, ids)
    stage.drive(until=lambda: all(stage.view(one).state == "awaiting_approval" for one in ids))
    for one in ids:
        (last,) = [each for each in _told(stage, f"withdrawal:{one}") if each.type == WAITS]
        assert last.body["batch"] == str(ids[0])
        cancel(stage, one)


def test_a_reorganisation_takes_back_that_it_was_mined(stage: Stage):
    _listen(stage)
    view = stage.approved("undone", amount="8", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(view.id).state == "mined")
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.drive(until=lambda: stage.view(view.id).state == "broadcast", parts="indexer chain")
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    told = sorted(_told(stage, f"withdrawal:{view.id}"), key=lambda one: one.number)
    kinds = [one.type.partition(".")[2] for one in told]
    assert kinds[-5:] == ["broadcast", "mined", "broadcast", "mined", "finalized"]
    assert [one.retracts for one in told[-5:]] == [(), (), (told[-4].id,), (), ()]
    assert stage.states(view.id) == kinds

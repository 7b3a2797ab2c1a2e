"""P4, P10: the relay is killed between any two steps; a spending key pays exactly once."""

from collections.abc import Iterator

import pytest

from strongroom.cli.dev.program import running, start
from strongroom.withdrawals import service as withdrawals
from tests.factories.house import ETH
from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.spending_keys import Spending, spending_keys
from tests.integration.strongroom.withdrawals.test_crashes import (
    AROUND,
    leases_run_out,
    payments_to_supplier,
    relay,
    wait_for_death,
)

POINTS = (
    "withdrawal.after_claim",
    "withdrawal.after_bind",
    "relay.after_claim",
    "relay.after_sign",
    "relay.after_store",
    "relay.after_broadcast",
)


@pytest.fixture(scope="module")
def keys(stage: Stage) -> Iterator[Spending]:
    with spending_keys(stage) as found:
        yield found


def killed_at(stage: Stage, point: str) -> None:
    victim = start(relay(stage, point))
    try:
        wait_for_death(victim)
    finally:
        victim.stop()
    leases_run_out(stage)


def check_paid_once(keys: Spending, wallet: str, withdrawal_id: object) -> None:
    """One outgoing row, one nonce, and the books say what the chain says."""
    rows = keys.stage.house.query(
        "SELECT o.state, count(DISTINCT o.nonce) FROM outgoing o"
        " JOIN withdrawal w ON w.outgoing_id = o.id WHERE w.id = %s GROUP BY o.state",
        withdrawal_id,
    )
    assert rows == [("finalized", 1)]
    assert (keys.stage.held(), keys.stage.held(ETH)) == (0, 0)
    for books, chain in keys.books_and_chain(wallet).values():
        assert books == chain


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_a_hot_payment_happens_once(keys: Spending, point: str):
    stage, paid = keys.stage, payments_to_supplier(keys.stage)
    view = keys.order(f"hot, killed at {point}", keys.hot, amount="7")
    killed_at(stage, point)
    with running(relay(stage)):
        stage.drive(until=lambda: stage.view(view.id).state == "finalized", parts=AROUND)
    assert payments_to_supplier(stage) == paid + 7_000_000
    check_paid_once(keys, keys.hot, view.id)


@pytest.mark.parametrize("point", ["withdrawal.after_claim", "relay.after_claim",
                                   "relay.after_broadcast"])  # fmt: skip
def test_killed_after_the_file_came_back_a_cold_payment_happens_once(keys: Spending, point: str):
    stage, paid = keys.stage, payments_to_supplier(keys.stage)
    view = keys.order(f"cold, killed at {point}", keys.cold, amount="7")
    stage.drive(until=lambda: stage.view(view.id).state == "binding")
    with stage.unit() as uow:
        request = withdrawals.export(uow, view.id, policies_after=keys.policies_there)
    keys.policies_there = view.policy_version
    answers = keys.machine.deliver(request)
    with stage.unit() as uow:
        withdrawals.take_in(uow, view.id, answers)
    killed_at(stage, point)
    with running(relay(stage)):
        stage.drive(until=lambda: stage.view(view.id).state == "finalized", parts=AROUND)
    assert payments_to_supplier(stage) == paid + 7_000_000
    check_paid_once(keys, keys.cold, view.id)

"""A cold key pays by a file that goes to an offline machine and comes back signed."""

from collections.abc import Iterator

import pytest

from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.types import WithdrawalView
from tests.factories.house import ETH
from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.spending_keys import Spending, spending_keys

HAPPY = [
    "screening", "queued", "awaiting_approval", "approved", "binding", "signed", "broadcast",
    "mined", "finalized",
]  # fmt: skip


@pytest.fixture(scope="module")
def keys(stage: Stage) -> Iterator[Spending]:
    with spending_keys(stage) as found:
        yield found


def exported(keys: Spending, view: WithdrawalView) -> dict[str, object]:
    """The file for the offline machine, with the policies that it lacks."""
    with keys.stage.unit() as uow:
        found = withdrawals.export(uow, view.id, policies_after=keys.policies_there)
    keys.policies_there = view.policy_version
    return found


def waiting(keys: Spending, reference: str, **more: str) -> WithdrawalView:
    """An approved order that waits for the offline machine."""
    view = keys.order(reference, keys.cold, **more)
    keys.stage.drive(until=lambda: keys.stage.view(view.id).state == "binding")
    return keys.stage.view(view.id)


def bring_back(keys: Spending, view: WithdrawalView, answers: dict[str, object]) -> None:
    with keys.stage.unit() as uow:
        withdrawals.take_in(uow, view.id, answers)


def test_a_cold_key_pays_by_a_file_that_goes_and_comes_back(keys: Spending):
    stage, view = keys.stage, waiting(keys, "cold-1", amount="250.5")
    assert "offline machine" in view.reason
    assert stage.held() == 250_500_000
    answers = keys.machine.deliver(exported(keys, view))
    bring_back(keys, view, answers)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.states(view.id) == HAPPY
    assert stage.house.units(stage.cast.supplier) == 250_500_000
    assert (stage.held(), stage.held(ETH)) == (0, 0)
    for books, chain in keys.books_and_chain(keys.cold).values():
        assert books == chain

"""P4, P10: what a block did is undone by another block, and only what is final counts."""

from collections.abc import Iterator

import pytest

from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.spending_keys import Spending, spending_keys

REVERTS = "0x60006000fd"


@pytest.fixture(scope="module")
def keys(stage: Stage) -> Iterator[Spending]:
    with spending_keys(stage) as found:
        yield found


def test_a_revert_that_a_reorganisation_turns_into_success_pays_once(keys: Spending):
    """Mined and reverted, then its block is replaced by one in which it works."""
    stage, paid = keys.stage, keys.stage.house.units(keys.stage.cast.supplier)
    view = keys.order("reverts, then pays", keys.hot, amount="6")
    stage.drive(until=lambda: stage.view(view.id).state == "broadcast", parts="spending relay")
    code = stage.chain.rpc("eth_getCode", stage.house.dollar, "latest")
    stage.chain.rpc("anvil_setCode", stage.house.dollar, REVERTS)
    stage.chain.mine()
    stage.drive(until=lambda: stage.view(view.id).state == "mined", parts="indexer")
    assert "reverted" in stage.view(view.id).reason
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.rpc("anvil_setCode", stage.house.dollar, code)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.house.units(stage.cast.supplier) == paid + 6_000_000
    assert stage.held() == 0


def test_a_success_that_a_reorganisation_turns_into_a_revert_pays_nothing(keys: Spending):
    stage, paid = keys.stage, keys.stage.house.units(keys.stage.cast.supplier)
    view = keys.order("pays, then reverts", keys.hot, amount="7")
    stage.drive(until=lambda: stage.view(view.id).state == "mined")
    code = stage.chain.rpc("eth_getCode", stage.house.dollar, "latest")
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.rpc("anvil_setCode", stage.house.dollar, REVERTS)
    stage.chain.mine()
    stage.drive(until=lambda: stage.view(view.id).state == "broadcast", parts="indexer")
    stage.drive(until=lambda: stage.view(view.id).state == "mined", parts="relay chain indexer")
    stage.chain.rpc("anvil_setCode", stage.house.dollar, code)
    stage.drive(until=lambda: stage.view(view.id).state == "failed")
    assert stage.house.units(stage.cast.supplier) == paid
    assert stage.held() == 0

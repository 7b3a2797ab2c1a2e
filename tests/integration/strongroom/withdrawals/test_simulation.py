"""P5: the node is asked what a waiting payment would do; its answer warns and never clears."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from strongroom.chain.errors import MethodMissing, NodeUnavailable
from strongroom.chain.node import Node
from strongroom.db.actor import system
from strongroom.withdrawals import repository
from strongroom.withdrawals.simulation import SimulationLoop
from tests.factories.house import ETH, TUSD
from tests.factories.stage import Stage


class OlderNode(Node):
    """A node that does not know eth_simulateV1."""

    def request(self, method: str, *parameters: Any) -> Any:
        if method == "eth_simulateV1":
            raise MethodMissing("The node refused eth_simulateV1: method not found (-32601).")
        return super().request(method, *parameters)


class AbsentNode(Node):
    """A node that is away."""

    def request(self, method: str, *_: Any) -> Any:
        raise NodeUnavailable(f"The node did not answer {method}. It is asked again.")


def answer(stage: Stage, withdrawal_id: Any) -> Any:
    with stage.unit() as uow:
        return repository.simulation(uow, repository.find(uow, stage.id, withdrawal_id))


@contextmanager
def asking(stage: Stage, kind: type[Node]) -> Iterator[SimulationLoop]:
    with kind([stage.chain.url], stage.chain.chain_id) as node:
        yield SimulationLoop(stage.house.role("relay"), node, stage.chain.chain_id)


def changes(found: Any) -> dict[tuple[str, str], int]:
    return {(one["address"], one["token"]): int(one["units"]) for one in found.changes}


@pytest.mark.parametrize("kind", [Node, OlderNode], ids=["eth_simulateV1", "debug_traceCall"])
@pytest.mark.parametrize(("asset", "units"), [(TUSD, 2_000_000), (ETH, 2 * 10**18 // 4)])
def test_a_waiting_payment_is_simulated_on_the_node(stage: Stage, kind, asset, units):
    amount, token = ("0.5", "0x" + "00" * 20) if asset == ETH else ("2", stage.house.dollar.lower())
    view = stage.awaiting(f"simulated {asset} {kind.__name__}", asset=asset, amount=amount)
    with asking(stage, kind) as loop:
        assert loop.step()
        found = answer(stage, view.id)
        assert not loop.step(), "it is asked once, until the answer is old"
        stage.house.clock.ahead_seconds = 700
        assert loop.step()
        stage.house.clock.ahead_seconds = 0
    assert found.method == ("debug_traceCall" if kind is OlderNode else "eth_simulateV1")
    vault, supplier = "0x" + stage.vault.address.hex(), stage.cast.supplier.lower()
    assert changes(found) == {(vault, token): -units, (supplier, token): units}
    assert (found.succeeded, found.cautions) == (True, [])
    assert found.digest == view.safe_tx_hash
    stage.approve(view.id, stage.cast.amir)
    stage.approve(view.id, stage.cast.bea)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


def test_a_payment_that_would_fail_or_cannot_be_asked_about_is_pointed_out(stage: Stage):
    view = stage.awaiting("would fail", amount="3")
    with asking(stage, AbsentNode) as loop:
        assert loop.step()
    assert [one["code"] for one in answer(stage, view.id).cautions] == ["simulation_missing"]
    held = stage.chain.rpc("eth_getCode", stage.house.dollar, "latest")
    stage.chain.rpc("anvil_setCode", stage.house.dollar, "0x60006000fd")
    stage.house.clock.ahead_seconds = 60
    try:
        with asking(stage, Node) as loop:
            assert loop.step()
    finally:
        stage.house.clock.ahead_seconds = 0
        stage.chain.rpc("anvil_setCode", stage.house.dollar, held)
    found = answer(stage, view.id)
    assert (found.succeeded, found.changes) == (False, [])
    assert "simulation_fails" in [one["code"] for one in found.cautions]
    assert stage.view(view.id).state == "awaiting_approval", "it warns, it does not decide"


@pytest.mark.parametrize("role", ["api", "worker", "indexer", "screener"])
def test_only_the_relay_can_write_what_a_simulation_said(stage: Stage, role: str):
    with (
        stage.house.role(role).unit(stage.id, system("thief")) as uow,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        uow.execute("UPDATE withdrawal_simulation SET cautions = '[]'")

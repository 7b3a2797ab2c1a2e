"""What the relay tells becomes an alert; gas money is ordered once, as a signed policy allows."""

from typing import Any
from uuid import UUID

import pytest

from strongroom.db import outbox
from strongroom.db.actor import system
from strongroom.kit.ids import HOUSE
from strongroom.relay import alerts
from strongroom.relay.keys import TOPUP_TOPIC
from tests.factories.chain_stage import connect, stage
from tests.factories.deposit_stage import Flow, flow

__all__ = ["connect", "flow", "stage"]

UNITS = 5 * 10**16


@pytest.fixture
def station(flow: Flow) -> Flow:
    flow.stage.watch(spender(flow), "spending")
    return flow


def spender(flow: Flow) -> bytes:
    return bytes.fromhex(flow.stage.chain.accounts()[1][2:])


def policy(flow: Flow, *, feeds: bool = True) -> None:
    source = "0x" + spender(flow).hex()
    key = {
        "index": 0,
        "address": flow.stage.chain.accounts()[1],
        "kind": "hot",
        "threshold": 1,
        "limits": [{"asset": "ETH/18", "per_payment_units": "1000", "per_day_units": "1000"}],
    }
    gas = {"gas": {"source": source, "per_day_wei": str(10**18)}} if feeds else {}
    flow.make_vault(None, mandates={"sweep": True, **gas}, spending=[key])


def ask(flow: Flow, owner: UUID, episode: str = "1", units: int = UNITS) -> None:
    """As KeyWatch asks an organisation."""
    chain_id = flow.stage.chain.chain_id
    payload = {"chain_id": chain_id, "episode": episode, "units": str(units)}
    with flow.stage.connect("strongroom_relay", pool_size=1).unit(None, system("relay")) as uow:
        outbox.enqueue(uow, TOPUP_TOPIC, f"{episode}", payload, organisation_id=owner)
    flow.deliver(TOPUP_TOPIC)


def ordered(flow: Flow) -> list[dict[str, Any]]:
    return flow.stage.rows("SELECT * FROM outgoing WHERE purpose = 'gas_topup'")


def test_gas_money_for_the_relay_is_ordered_by_the_signed_mandate_and_once(station: Flow):
    policy(station)
    ask(station, station.stage.organisation)
    ask(station, station.stage.organisation)
    (row,) = ordered(station)
    assert (row["payload"]["to"], row["payload"]["units"]) == ({"relay": True}, str(UNITS))
    ask(station, station.stage.organisation, "2", 10**20)
    assert [int(one["payload"]["units"]) for one in ordered(station)] == [UNITS, 5 * 10**17]


def test_an_organisation_without_the_mandate_feeds_nobody(station: Flow):
    policy(station, feeds=False)
    ask(station, station.stage.organisation)
    assert ordered(station) == []


def test_what_the_relay_tells_is_one_alert_with_its_sentence(station: Flow):
    with station.stage.connect("strongroom_relay", pool_size=1).unit(None, system("relay")) as uow:
        for _ in range(2):
            alerts.tell(uow, HOUSE, "gap", "a row", "7", "It waits for nonces 4 to 5.")
    station.deliver(alerts.TOPIC)
    (found,) = station.stage.rows("SELECT kind, subject, detail, state FROM alert")
    assert found["kind"] == "relay.gap"
    assert found["detail"] == {"reason": "It waits for nonces 4 to 5."}
    assert found["state"] == "OPEN"

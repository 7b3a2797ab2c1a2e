"""Fee levels, batches and floats over HTTP, on the real parts."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
import uvicorn

from strongroom.api.app import create_app
from strongroom.bootstrap.api import build
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.identity import service as identity
from strongroom.identity.types import NewCredential
from strongroom.withdrawals.fee_levels import FeeLoop
from tests.factories.house import TUSD
from tests.factories.parts.place import free_port
from tests.factories.stage import Stage
from tests.factories.staged import stage

__all__ = ["stage"]


@pytest.fixture(scope="module")
def client(stage: Stage) -> Iterator[httpx.Client]:
    token = f"sr_all_{'x' * 30}"
    with stage.house.role("api").unit(stage.id, system("test")) as uow:
        until = uow.now + timedelta(days=1)
        hashed = hashlib.sha256(token.encode()).digest()
        roles = ("initiator", "administrator")
        identity.add_credential(uow, NewCredential("all", hashed, roles, None, until))
    services = build(Config.from_environment(stage.house.environment("api")))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(services), port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    headers = {"authorization": f"Bearer {token}"}
    base = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=base, timeout=30, headers=headers) as found:
        while not server.started:
            thread.join(0.01)
        yield found
    server.should_exit = True
    thread.join()
    services.database.close()


def post(client: httpx.Client, path: str, key: str, body: dict[str, object]) -> httpx.Response:
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def test_fee_levels_are_told_once_the_chain_was_asked(stage: Stage, client: httpx.Client):
    assert client.get("/v1/withdrawals/fees").json() == {"at": None, "levels": []}
    FeeLoop(stage.house.role("relay"), stage.house.node, stage.chain.chain_id).step()
    found = client.get("/v1/withdrawals/fees").json()
    assert [one["level"] for one in found["levels"]] == ["slow", "normal", "fast"]
    wish = {"asset": TUSD, "to": stage.cast.supplier, "amount": "all", "reference": "a draft"}
    drafted = client.get("/v1/withdrawals/draft", params={**wish, "fee_level": "fast"})
    assert drafted.status_code == 200, drafted.text
    assert drafted.json()["intent"]["maxFeeWei"] == found["levels"][2]["max_fee_wei"]
    assert drafted.json()["intent"]["units"] == str(stage.available())


def test_orders_are_put_together_and_the_answer_is_kept(stage: Stage, client: httpx.Client):
    ids = [str(stage.order(f"by http {n}", amount=f"{n}.5").id) for n in (1, 2)]
    made = post(client, "/v1/withdrawals/batches", "one-batch-1", {"withdrawals": ids})
    assert made.status_code == 201, made.text
    assert [one["id"] for one in made.json()["items"]] == ids
    assert {one["batch"] for one in made.json()["items"]} == {ids[0]}
    again = post(client, "/v1/withdrawals/batches", "one-batch-1", {"withdrawals": ids})
    assert again.json() == made.json()
    refused = post(client, "/v1/withdrawals/batches", "another-key", {"withdrawals": ids})
    assert (refused.status_code, refused.json()["code"]) == (409, "withdrawal.batch_wrong")


def test_a_float_is_for_a_hot_wallet_of_the_policy(stage: Stage, client: httpx.Client):
    assert client.get("/v1/floats").json() == {"floats": [], "proposals": []}
    limits = {"asset": TUSD, "minimum": "1", "target": "2", "maximum": "3"}
    refused = post(client, "/v1/floats", "float-key", {"wallet": stage.cast.supplier, **limits})
    assert refused.json()["code"] == "withdrawal.float_wrong"

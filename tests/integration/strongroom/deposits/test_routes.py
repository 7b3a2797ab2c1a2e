"""Rules, schedules and held deposits over HTTP: who may, what is shown, and what is refused."""

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn

from strongroom.api.app import create_app
from strongroom.bootstrap.api import build, ensure_operator
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.identity import service as identity
from strongroom.identity.types import NewCredential, NewPerson
from strongroom_client import Problem, Strongroom
from tests.factories.chain_stage import ADDRESS, ETH
from tests.factories.deposit_stage import Flow
from tests.factories.parts.place import free_port

OPERATOR = "sr_operator-of-a-test"


@pytest.fixture
def client(flow: Flow, tmp_path: Path) -> Iterator[httpx.Client]:
    """The API over the stage's database, on a port; no signer is needed here."""
    environment = {
        "STRONGROOM_DATABASE_URL": flow.stage.connect.found.url("strongroom_api"),
        "STRONGROOM_SIGNER_SOCKET": str(tmp_path / "nobody.sock"),
    }
    services = build(Config.from_environment(environment))
    ensure_operator(services.database, OPERATOR)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(services), port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as found:
        yield found
    server.should_exit = True
    thread.join()
    services.database.close()


def token(flow: Flow, organisation: UUID, *roles: str) -> str:
    """Somebody of an organisation with a credential."""
    found = f"sr_{uuid.uuid4().hex}"
    connect = flow.stage.connect(pool_size=1)
    with connect.unit(organisation, system("test")) as uow:
        named = NewPerson(found, "Somebody", roles, None, uuid.uuid4().bytes + bytes(4))
        person = identity.add_person(uow, named)
    with connect.unit(organisation, system("test")) as uow:
        hashed, until = hashlib.sha256(found.encode()).digest(), uow.now + timedelta(days=1)
        identity.add_credential(uow, NewCredential("test", hashed, roles, person.id, until))
    return found


class Caller:
    """Calls with one token."""

    def __init__(self, client: httpx.Client, bearer: str) -> None:
        self._client = client
        self._header = {"Authorization": f"Bearer {bearer}"}

    def get(self, path: str) -> Any:
        return self._client.get(f"/v1{path}", headers=self._header)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {**self._header, "Idempotency-Key": uuid.uuid4().hex}
        return self._client.post(f"/v1{path}", headers=headers, json=body or {})


def test_the_houses_rule_binds_and_is_shown_and_an_organisation_ends_only_its_own(
    flow: Flow, client: httpx.Client
):
    house = Caller(client, OPERATOR)
    owner = Caller(client, token(flow, flow.stage.organisation, "owner"))
    made = house.post("/operator/deposit-rules", {"confirmations": 3})
    assert made.status_code == 201
    own = owner.post(
        "/deposit-rules", {"asset": ETH, "amount": "1.5", "level": "final", "chain_id": 31337}
    )
    assert (own.status_code, own.json()["amount"]) == (201, "1.5")
    shown = owner.get("/deposit-rules").json()["items"]
    assert [(rule["of"], rule["confirmations"]) for rule in shown] == [
        ("organisation", 0),
        ("house", 3),
    ]
    assert owner.post(f"/deposit-rules/{made.json()['id']}/end").status_code == 404
    assert owner.post("/operator/deposit-rules", {"confirmations": 1}).status_code == 403
    assert owner.post(f"/deposit-rules/{own.json()['id']}/end").json()["ended_at"] is not None
    assert house.post(f"/operator/deposit-rules/{made.json()['id']}/end").status_code == 200
    assert owner.post("/deposit-rules", {"amount": "5", "confirmations": 2}).status_code == 422


def test_another_organisation_sees_no_rule_and_accepts_no_deposit_of_ours(
    flow: Flow, client: httpx.Client
):
    owner = Caller(client, token(flow, flow.stage.organisation, "owner"))
    other = Caller(client, token(flow, flow.other_organisation(), "owner"))
    rule = owner.post("/deposit-rules", {"confirmations": 2}).json()
    assert other.get("/deposit-rules").json()["items"] == []
    assert other.post(f"/deposit-rules/{rule['id']}/end").status_code == 404
    flow.give_out(reuse="hold", customer_reference="customer 7")
    flow.import_list()
    for _ in range(2):
        flow.stage.send(ADDRESS, 5)
        flow.stage.chain.mine()
    flow.stage.catch_up(flow.stage.follower())
    (held,) = [
        item
        for item in owner.get("/deposits?customer_reference=customer%207").json()["items"]
        if item["state"] == "reuse"
    ]
    assert "given out for one payment" in held["awaits"]
    auditor = Caller(client, token(flow, flow.stage.organisation, "auditor"))
    assert auditor.post(f"/deposits/{held['id']}/acceptance").status_code == 403
    assert other.post(f"/deposits/{held['id']}/acceptance").status_code == 404
    assert owner.post(f"/deposits/{held['id']}/acceptance").status_code == 202
    flow.settle()
    flow.deliver("deposits.accept")
    states = {
        item["state"] for item in owner.get("/deposits?disposition=unscreened").json()["items"]
    }
    assert "reuse" not in states
    assert other.get("/deposits?customer_reference=customer%207").json()["items"] == []


def test_a_schedule_is_set_and_a_sweep_asked_for(flow: Flow, client: httpx.Client):
    owner = Caller(client, token(flow, flow.stage.organisation, "owner"))
    body = {"minimums": {ETH: "0.1"}, "interval_seconds": 60, "max_fee_per_gas_wei": "7"}
    assert owner.get("/sweep-schedule").json()["minimums"] == {}
    assert owner.post("/sweep-schedule", body).status_code == 201
    shown = owner.get("/sweep-schedule").json()
    assert {name: shown[name] for name in body} == body
    assert owner.post("/sweep-schedule", {"window_from_minute": 5}).status_code == 422
    assert owner.post("/sweeps").json() == {"asked": True}
    assert len(flow.stage.rows("SELECT 1 FROM outbox WHERE topic = 'deposits.sweep'")) == 1
    assert owner.get("/sweeps").json() == {"items": [], "next": None}
    auditor = Caller(client, token(flow, flow.stage.organisation, "auditor"))
    assert auditor.post("/sweeps").status_code == 403


def test_the_client_library_asks_for_the_same(flow: Flow, client: httpx.Client):
    """As an organisation's own program does."""
    bearer = token(flow, flow.stage.organisation, "owner")
    with Strongroom(str(client.base_url), bearer) as strongroom:
        rule = strongroom.set_deposit_rule({"kind": "dust", "asset": ETH, "amount": "0.001"})
        assert (rule["of"], rule["amount"]) == ("organisation", "0.001")
        assert strongroom.sweep_now() == {"asked": True}
        with pytest.raises(Problem):
            strongroom.accept_deposit(str(uuid.uuid4()))
        with pytest.raises(Problem, match="ceremony"):
            strongroom.new_address("x", customer_reference="customer 7", single_use=True)

"""Compliance asks what was believed at a moment; an organisation is told of its own only."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn

from strongroom.api.app import create_app
from strongroom.bootstrap.api import build
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.identity import service as identity
from strongroom.identity.types import NewCredential
from strongroom_protocol.addresses import checksum
from tests.factories.chain_stage import ADDRESS, ETH, Stage, connect, stage
from tests.factories.parts.place import free_port

__all__ = ["connect", "stage"]


def headers(stage: Stage, role: str) -> dict[str, str]:
    """A credential of the stage's organisation."""
    token = f"sr_{role}_{'x' * 30}"
    with stage.connect(pool_size=1).unit(stage.organisation, system("test")) as uow:
        until = uow.now + timedelta(days=1)
        hashed = hashlib.sha256(token.encode()).digest()
        identity.add_credential(uow, NewCredential(role, hashed, (role,), None, until))
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def client(stage: Stage, tmp_path: Path) -> Iterator[httpx.Client]:
    environment = {
        "STRONGROOM_DATABASE_URL": stage.connect.found.url("strongroom_api"),
        "STRONGROOM_SIGNER_SOCKET": str(tmp_path / "signer.sock"),
    }
    services = build(Config.from_environment(environment))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(services), port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as found:
        while not server.started:
            thread.join(0.01)
        yield found
    server.should_exit = True
    thread.join()
    services.database.close()


def test_a_moment_before_a_fork_is_told_with_what_became_of_it(stage: Stage, client: httpx.Client):
    follower = stage.follower()
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(follower)
    moment = datetime.now(UTC)
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.catch_up(follower)
    watching = headers(stage, "auditor")
    asked = {"at": moment.isoformat()}
    found = client.get("/v1/chain/believed", params=asked, headers=watching)
    assert found.status_code == 200, found.text
    body = found.json()
    (move,) = body["transfers"]
    assert (move["units"], move["recipient"], move["state"]) == (
        "5",
        checksum(ADDRESS),
        "confirmed",
    )
    assert move["given_up_at"] is not None
    assert body["balances"] == [{"account": stage.custody(), "asset": ETH, "units": "5"}]
    assert body["head"]["hash"] == move["block_hash"]
    now = {"at": datetime.now(UTC).isoformat()}
    later = client.get("/v1/chain/believed", params=now, headers=watching).json()
    assert (later["transfers"], later["balances"]) == ([], [])
    assert client.get("/v1/chain/believed", headers=watching).status_code == 422
    untimed = {"at": "2026-03-01T12:00:00"}
    refused = client.get("/v1/chain/believed", params=untimed, headers=watching)
    assert refused.status_code == 422, "a moment without its zone is no moment"


def test_who_only_requests_payments_is_not_told(stage: Stage, client: httpx.Client):
    asked = {"at": datetime.now(UTC).isoformat()}
    found = client.get("/v1/chain/believed", params=asked, headers=headers(stage, "initiator"))
    assert found.status_code == 403

"""Over HTTP, the outbox, Celery and the worker process: a message arrives that the SDK believes."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
import uvicorn

from strongroom.api.app import create_app
from strongroom.bootstrap.api import build, ensure_operator
from strongroom.bootstrap.carrier import publisher
from strongroom.bootstrap.webhooks import parts
from strongroom.config import Config, ConfigurationInvalid
from strongroom.db.actor import system
from strongroom.db.outbox import Dispatcher
from strongroom.identity import service as identity
from strongroom.identity.types import NewCredential
from strongroom.kit.ids import HOUSE
from strongroom.webhooks.errors import SecretsMissing
from strongroom_client import Problem, Strongroom, verify_webhook
from tests.factories.parts.place import REPOSITORY, free_port

TOKEN, AUDITOR = "sr_operator-of-a-test", "sr_auditor-of-a-test"


@pytest.fixture
def environment(valkey, tmp_path: Path) -> dict[str, str]:
    key = tmp_path / "webhook.key"
    key.write_text("k" * 64)
    return {
        "STRONGROOM_REDIS_URL": valkey,
        "STRONGROOM_SIGNER_SOCKET": str(tmp_path / "nobody.sock"),
        "STRONGROOM_WEBHOOK_KEY_FILE": str(key),
        "STRONGROOM_WEBHOOK_NETWORKS": "127.0.0.0/8",
    }


@pytest.fixture
def url(connect, environment) -> Iterator[str]:
    """The API on loopback, with an operator and an auditor of the house."""
    role = {"STRONGROOM_DATABASE_URL": connect.found.url("strongroom_api")}
    services = build(Config.from_environment(environment | role))
    ensure_operator(services.database, TOKEN)
    with services.database.unit(HOUSE, system("test")) as uow:
        hashed = hashlib.sha256(AUDITOR.encode()).digest()
        until = uow.now + timedelta(days=1)
        identity.add_credential(uow, NewCredential("a", hashed, ("auditor",), None, until))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(services), port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
    services.database.close()


@pytest.fixture
def worker(connect, environment) -> Iterator[None]:
    """The real process, and a dispatcher as the relay has one."""
    role = {"STRONGROOM_DATABASE_URL": connect.found.url("strongroom_worker")}
    paths = {**os.environ, **environment, **role, "PYTHONPATH": f"{REPOSITORY}/src"}
    start = "import sys; from strongroom.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "worker"]
    child = subprocess.Popen(command, env=paths, stderr=subprocess.DEVNULL)
    ended = threading.Event()
    dispatcher = Dispatcher(
        connect("strongroom_relay", pool_size=1), publisher(environment["STRONGROOM_REDIS_URL"])
    )

    def dispatch() -> None:
        while not ended.wait(0.05):
            dispatcher.step()

    thread = threading.Thread(target=dispatch)
    thread.start()
    yield
    ended.set()
    thread.join()
    child.terminate()
    assert child.wait(30) == 0


@pytest.mark.usefixtures("worker")
def test_a_message_comes_that_the_sdk_believes_and_its_log_says_so(url, receiver):
    with Strongroom(url, TOKEN) as service:
        made = service.add_webhook(receiver.url, ["alert.*"], "ours", key="add-the-hook")
        again = service.add_webhook(receiver.url, ["alert.*"], "ours", key="add-the-hook")
        assert (again["id"], again["secret"]) == (made["id"], None)
        service.test_webhook(made["id"])
        (first,) = receiver.wait(1, 30)
        event = verify_webhook(made["secret"], first.headers, first.body)
        assert (event["type"], event["sequence"]) == ("webhook.test", 1)
        assert event["data"] == {"webhook_id": made["id"], "label": "ours"}
        rotated = service.rotate_webhook(made["id"])
        assert rotated["secret"] not in (None, made["secret"])
        assert service.replay_webhook(made["id"], since=event["timestamp"])["events"] == 1
        second = receiver.wait(2, 30)[1]
        for secret in (made["secret"], rotated["secret"]):
            assert verify_webhook(secret, second.headers, second.body) == event
        log = list(service.every(f"/v1/webhooks/{made['id']}/tries", limit=1))
        assert [(one["status"], one["type"]) for one in log] == [(204, "webhook.test")] * 2
        (delivery,) = service.every(f"/v1/webhooks/{made['id']}/deliveries")
        assert (delivery["state"], delivery["event_id"]) == ("delivered", event["id"])
        (kept,) = service.every("/v1/events", subject=event["subject"])
        assert (kept["id"], kept["data"]) == (event["id"], event["data"])


def test_a_secret_is_shown_once_and_stored_nowhere(url, connect, receiver):
    with Strongroom(url, TOKEN) as service:
        made = service.add_webhook(receiver.url)
        shown = [service.get(f"/v1/webhooks/{made['id']}"), *service.every("/v1/webhooks")]
        assert [one["secret"] for one in shown] == [None, None]
    with psycopg.connect(connect.found.conninfo()) as superuser:
        tables = superuser.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            rows = superuser.execute(f'SELECT t::text FROM "{table}" AS t').fetchall()
            assert made["secret"] not in json.dumps(rows), table


def test_endpoints_are_changed_by_administrators_only_and_what_is_wrong_is_said(url, receiver):
    with Strongroom(url, TOKEN) as service:
        made = service.add_webhook(receiver.url)
        path = f"/v1/webhooks/{made['id']}"
        changed = service.post(f"{path}/changes", {"types": ["deposit.*"]})
        assert (changed["types"], changed["url"]) == (["deposit.*"], receiver.url)
        assert service.set_webhook(made["id"], "disabled")["state"] == "disabled"
        assert service.set_webhook(made["id"], "removed")["state"] == "removed"
        with pytest.raises(Problem) as refused:
            service.set_webhook(made["id"], "enabled")
        assert (refused.value.status, refused.value.code) == (409, "webhooks.endpoint_removed")
        with pytest.raises(Problem) as refused:
            service.add_webhook("https://10.0.0.1/hook")
        assert (refused.value.status, refused.value.code) == (422, "webhooks.endpoint_invalid")
    with Strongroom(url, AUDITOR) as service:
        assert list(service.every("/v1/webhooks")) == []
        with pytest.raises(Problem) as refused:
            service.add_webhook(receiver.url)
        assert refused.value.status == 403
    assert httpx.get(f"{url}/v1/webhooks").status_code == 401


def test_without_a_key_no_secret_is_made(tmp_path: Path):
    assert parts(Config.from_environment({})).made is None
    with pytest.raises(SecretsMissing):
        parts(Config.from_environment({})).secrets.shown(HOUSE, 1)
    short = tmp_path / "short"
    short.write_text("k" * 31 + "\n")
    for file, sentence in ((short, "holds 31 bytes"), (tmp_path / "no", "can't be read")):
        config = Config.from_environment({"STRONGROOM_WEBHOOK_KEY_FILE": str(file)})
        with pytest.raises(ConfigurationInvalid, match=sentence):
            parts(config)

"""P10: one relay leads, another takes over at its death, and health says what is away."""

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError

from strongroom.cli.dev.program import Program, start
from tests.factories.house import executable
from tests.factories.parts.anvil import Chain
from tests.factories.parts.place import free_port
from tests.factories.parts.postgres import TestDatabase


def relay(database: TestDatabase, chain: Chain, folder: Path, name: str) -> Program:
    port = free_port()
    return Program(
        name=name,
        argv=(executable("strongroom"), "relay"),
        log=folder / f"{name}.log",
        environment={
            "STRONGROOM_DATABASE_URL": database.url("strongroom_relay"),
            "STRONGROOM_RPC_URLS": chain.url,
            "STRONGROOM_CHAIN_ID": str(chain.chain_id),
            "STRONGROOM_SIGNER_SOCKET": str(folder / "nobody.sock"),
            "STRONGROOM_REDIS_URL": "redis://127.0.0.1:1/0",
            "STRONGROOM_HEALTH_PORT": str(port),
        },
        ready=lambda: fetch(port, "/healthz")[0] == 200,
        port=port,
    )


def fetch(port: int | None, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.1)


def leads(program: Program) -> bool:
    return 'strongroom_leading{name="relay"} 1.0' in fetch(program.port, "/metrics")[1]


def test_one_relay_leads_and_the_other_takes_over_when_it_is_killed(
    database: TestDatabase, anvil: Chain, tmp_path: Path
):
    first = relay(database, anvil, tmp_path, "first")
    second = relay(database, anvil, tmp_path, "second")
    leading = start(first)
    try:
        leading.wait_ready()
        eventually(lambda: leads(first))
        standing_by = start(second)
        try:
            standing_by.wait_ready()
            assert not leads(second)
            leading.kill()
            eventually(lambda: leads(second))
            status, body = fetch(second.port, "/readyz")
            checks = json.loads(body)["checks"]
            assert status == 503
            assert "does not answer" in checks["signer"]
            assert (checks["database"], checks["node"]) == ("ok", "ok")
        finally:
            standing_by.stop()
        assert standing_by.exit_code == 0
    finally:
        leading.kill()

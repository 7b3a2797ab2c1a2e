"""The process as it is started: health, standing by for the deploy, ending when told to."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, Stage
from tests.factories.parts.place import REPOSITORY, free_port

START = "import sys; from strongroom.cli.main import main; sys.exit(main(sys.argv[1:]))"


def environment(stage: Stage, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY / "src"),
        "STRONGROOM_DATABASE_URL": stage.connect.found.url("strongroom_indexer"),
        "STRONGROOM_RPC_URLS": stage.chain.url,
        "STRONGROOM_CHAIN_ID": str(stage.chain.chain_id),
        "STRONGROOM_HEALTH_PORT": str(port),
    }


@contextmanager
def indexer(stage: Stage, port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", START, "indexer"],
        env=environment(stage, port),
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def wait_for(what: Any, seconds: int = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.1)
    pytest.fail("it did not happen in time")


def deploy(stage: Stage) -> None:
    with psycopg.connect(stage.connect.found.conninfo()) as connection:
        connection.execute(
            "INSERT INTO platform VALUES (%s, %s, %s, 0, now(), now())",
            (stage.chain.chain_id, b"\x0a" * 20, b"\x0b" * 20),
        )


def test_it_waits_for_the_deploy_then_books_and_ends_when_told_to(stage: Stage):
    port = free_port()
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    with indexer(stage, port) as process:
        wait_for(lambda: ask(port, "/healthz")[0] == 200)
        status, body = ask(port, "/readyz")
        assert status == 503
        assert "strongroom deploy" in json.loads(body)["checks"]["following"]
        deploy(stage)
        wait_for(lambda: ask(port, "/readyz")[0] == 200)
        wait_for(lambda: stage.balances().get(f"{SUSPENSE} {ETH}") == 5)
        metrics = ask(port, "/metrics")[1]
        for name in ("head", "height", "lag_blocks", "finalized"):
            assert f"strongroom_indexer_{name}{{" in metrics
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_status_tells_where_it_stands(stage: Stage):
    stage.catch_up(stage.follower())
    said = subprocess.run(
        [sys.executable, "-c", START, "indexer", "status"],
        env=environment(stage, 0),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert said.returncode == 0, said.stderr
    assert f"read up to block {stage.chain.height()}" in said.stdout

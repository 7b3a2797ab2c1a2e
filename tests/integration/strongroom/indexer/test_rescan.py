"""Blocks are read again on request: what was missed is booked once, whatever dies (P10)."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from strongroom.cli import indexer as command
from strongroom.db.actor import system
from strongroom.indexer import rescan
from strongroom.indexer.rescan import Rescan, RescanInvalid
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, VAULT, Stage
from tests.factories.parts.place import REPOSITORY


def ask(stage: Stage, first: int, last: int, address: bytes | None = None) -> Rescan:
    database = stage.connect("strongroom_indexer", pool_size=1)
    with database.unit(None, system("test")) as uow:
        return rescan.request(uow, stage.chain.chain_id, first, last, address)


def standing(stage: Stage) -> dict[str, Any]:
    return stage.rows("SELECT * FROM chain_rescan ORDER BY id DESC LIMIT 1")[0]


@pytest.fixture
def missed(stage: Stage) -> int:
    """A payment of 3 to an address that is watched only later; gives the final height."""
    stage.send(VAULT, 3)
    stage.chain.mine()
    stage.chain.mine(120)
    follower = stage.follower()
    stage.catch_up(follower)
    stage.watch(VAULT, "vault")
    stage.chain.mine(4)
    stage.catch_up(follower)
    assert stage.balances() == {}
    return int(stage.rows("SELECT finalized_height AS h FROM chain_cursor")[0]["h"])


@pytest.mark.parametrize("address", [VAULT, None])
def test_what_was_missed_is_booked_once(stage: Stage, missed: int, address: bytes | None):
    ask(stage, 1, missed, address)
    stage.catch_up(stage.follower())
    row = standing(stage)
    assert (row["state"], row["done_height"], row["found"]) == ("done", missed, 2)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 3
    (deposit,) = stage.rows("SELECT chain_state FROM deposit")
    assert deposit["chain_state"] == "finalized"
    ask(stage, 1, missed, address)
    stage.catch_up(stage.follower())
    assert standing(stage)["found"] == 0
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 3
    stage.assert_sound()


def test_only_the_address_asked_for_is_looked_at(stage: Stage, missed: int):
    ask(stage, 1, missed, ADDRESS)
    stage.catch_up(stage.follower())
    assert (standing(stage)["state"], standing(stage)["found"]) == ("done", 0)


def test_a_killed_rescan_goes_on_where_it_was(stage: Stage, missed: int):
    ask(stage, 1, missed)
    here = Path(__file__).with_name("crashing.py")
    environment = {
        **os.environ,
        "STRONGROOM_CRASH_AT": "indexer.again.after:2",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    url = stage.connect.found.url("strongroom_indexer")
    ended = subprocess.run(
        [sys.executable, str(here), url, stage.chain.url, str(stage.chain.chain_id)],
        cwd=REPOSITORY,
        env=environment,
        timeout=60,
        check=False,
        capture_output=True,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert (standing(stage)["state"], standing(stage)["done_height"]) == ("running", 100)
    stage.catch_up(stage.follower())
    assert (standing(stage)["state"], standing(stage)["found"]) == ("done", 2)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 3
    stage.assert_sound()


def test_new_blocks_have_their_turn_between(stage: Stage, missed: int):
    follower = stage.follower()
    stage.catch_up(follower)
    ask(stage, 1, missed)
    follower.step()
    assert standing(stage)["state"] == "running"
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    follower.step()  # finality moves first
    follower.step()
    assert stage.balances()[f"{stage.custody()} {ETH}"] == 5
    assert standing(stage)["state"] == "running"
    stage.catch_up(follower)
    assert standing(stage)["state"] == "done"


def test_a_final_block_that_is_another_one_here_refuses_it_and_stops_nothing(stage: Stage):
    follower = stage.follower()
    stage.send(VAULT, 3)
    height = stage.chain.mine()
    stage.catch_up(follower)
    stage.watch(VAULT, "vault")
    stage.chain.mine(4)
    stage.catch_up(follower)
    with psycopg.connect(stage.connect.found.conninfo()) as connection:
        connection.execute(
            "UPDATE chain_block SET block_hash = sha256(block_hash) WHERE height = %s", (height,)
        )
    ask(stage, height, height)
    stage.catch_up(follower)
    assert standing(stage)["state"] == "refused"
    assert "another fork" in standing(stage)["reason"]
    stage.send(VAULT, 1)
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 1


def test_only_what_was_followed_can_be_read_again(stage: Stage, missed: int):
    for first, last in ((0, 5), (5, 4), (1, missed + 1_000)):
        with pytest.raises(RescanInvalid):
            ask(stage, first, last)
    with pytest.raises(RescanInvalid, match="not watched"):
        ask(stage, 1, missed, b"\x01" * 20)
    assert stage.rows("SELECT * FROM chain_rescan") == []


def test_the_command_shows_how_far_it_is(
    stage: Stage, missed: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", stage.connect.found.url("strongroom_indexer"))
    monkeypatch.setenv("STRONGROOM_RPC_URLS", stage.chain.url)
    ended: list[int] = []
    words = ["rescan", "--from", "1", "--to", str(missed), "--address", "0x" + VAULT.hex()]
    watching = threading.Thread(target=lambda: ended.append(command.run(words)))
    watching.start()
    follower = stage.follower()
    for _ in range(600):
        stage.tolerate(follower)
        if not watching.is_alive():
            break
        watching.join(0.02)
    assert ended == [0]
    assert "done" in capsys.readouterr().out
    assert command.run(["status"]) == 0
    told = capsys.readouterr().out
    for part in ("2 addresses watched", "balance sweep: round", "head ", "2 found"):
        assert part in told
    assert command.run(["rescan", "--from", "0", "--to", "1"]) == 1
    assert "can't be read again" in capsys.readouterr().err

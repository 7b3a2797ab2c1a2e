"""Each block once, whatever dies and whoever else runs (P4, P10)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.chain.errors import NodeUnavailable
from strongroom.db.leader import Leader
from strongroom.indexer.errors import CursorMoved
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, Elected, Stage
from tests.factories.parts.place import REPOSITORY, free_port

POINTS = (
    "indexer.block.before:2",
    "indexer.block.after:2",
    "commit.before:3",
    "commit.after:3",
    "indexer.finalize.after:1",
    "indexer.unwind.after:1",
)


def run_until_killed(stage: Stage, crash_at: str) -> int:
    """Run an indexer process with a crash point; gives how it ended."""
    here = Path(__file__).with_name("crashing.py")
    environment = {**os.environ, "STRONGROOM_CRASH_AT": crash_at, "PYTHONPATH": "src:."}
    url = stage.connect.found.url("strongroom_indexer")
    ended = subprocess.run(
        [sys.executable, str(here), url, stage.chain.url, str(stage.chain.chain_id)],
        cwd=REPOSITORY,
        env=environment,
        timeout=60,
        check=False,
        capture_output=True,
    )
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()
    return ended.returncode


@pytest.mark.parametrize("crash_at", POINTS)
def test_a_kill_at_any_point_loses_nothing_and_doubles_nothing(stage: Stage, crash_at: str):
    for value in (1, 2, 4, 8):
        stage.send(ADDRESS, value)
        stage.chain.mine()
    if "unwind" in crash_at:
        stage.catch_up(stage.follower())
        stage.chain.rpc("anvil_reorg", 1, [])
        stage.chain.mine()
    if "finalize" in crash_at:
        stage.catch_up(stage.follower())
        stage.chain.mine(2)
    assert run_until_killed(stage, crash_at) == -signal.SIGKILL
    stage.catch_up(stage.follower())
    expected = 7 if "unwind" in crash_at else 15
    assert stage.balances() == {
        f"{stage.custody()} {ETH}": expected,
        f"{SUSPENSE} {ETH}": expected,
    }
    stage.assert_sound()


def test_two_indexers_at_once_book_each_block_once(stage: Stage):
    url = stage.connect.found.url("strongroom_indexer")
    with Leader(url, "indexer:test") as one, Leader(url, "indexer:test") as two:
        first = stage.follower(leadership=Elected(one))
        second = stage.follower(leadership=Elected(two))
        stage.send(ADDRESS, 3)
        stage.chain.mine()
        stage.catch_up(first, second)
        assert second.cursor is None, "only one of them leads"
        one.resign()
        stage.send(ADDRESS, 4)
        stage.chain.mine()
        stage.catch_up(second)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 7
    assert len(stage.rows("SELECT * FROM deposit")) == 2


def test_two_that_both_believe_to_lead_are_fenced_by_the_cursor(stage: Stage):
    first, second = stage.follower(), stage.follower()
    for value in (1, 2, 4):
        stage.send(ADDRESS, value)
        stage.chain.mine()
        stage.struggle(first, second)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 7
    assert len(stage.rows("SELECT * FROM deposit")) == 3
    stage.assert_sound()


def test_a_former_leader_that_wakes_up_is_refused(stage: Stage):
    first = stage.follower()
    stage.catch_up(first)

    class Later:
        def epoch(self) -> int | None:
            return 2

    second = stage.follower(leadership=Later())
    second.step()
    stage.send(ADDRESS, 3)
    stage.chain.mine()
    with pytest.raises(CursorMoved):
        stage.catch_up(first)
    stage.catch_up(second)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 3


def test_the_same_block_given_twice_is_posted_once(stage: Stage):
    stage.send(ADDRESS, 3)
    stage.chain.mine()
    follower = stage.follower()
    follower.step()
    start = follower.cursor
    assert start is not None
    stage.catch_up(follower)
    reading = follower._ahead.reader.read(1, stage.chain.height(), follower._watched, final=False)
    span = follower._thread.read(reading)
    with pytest.raises(CursorMoved):
        follower._books.extend(start, span, follower._watched)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 3


def test_a_node_that_goes_away_and_comes_back_costs_nothing(stage: Stage):
    gone = f"http://127.0.0.1:{free_port()}"
    follower = stage.follower(urls=[gone])
    stage.send(ADDRESS, 3)
    stage.chain.mine()
    with pytest.raises(NodeUnavailable):
        follower.step()
    follower._thread._rpc._urls = [stage.chain.url]
    stage.catch_up(follower)
    follower._thread._rpc._urls = [gone]
    with pytest.raises(NodeUnavailable):
        follower.step()
    stage.send(ADDRESS, 4)
    stage.chain.mine()
    follower._thread._rpc._urls = [gone, stage.chain.url]
    with pytest.raises(NodeUnavailable):
        follower.step()
    stage.catch_up(follower)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 7


def test_a_restart_in_a_fork_goes_on_from_the_cursor(stage: Stage):
    stage.send(ADDRESS, 3)
    stage.chain.mine()
    stage.catch_up(stage.follower())
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.catch_up(stage.follower())
    assert stage.balances() == {}


def test_blocks_far_behind_are_read_by_ranges_and_give_the_same_books(stage: Stage):
    token = stage.deploy_dollar()
    stage.allow(token)
    for turn in range(6):
        stage.send(ADDRESS, 10**turn)
        stage.mint(token, ADDRESS, 10**turn)
        stage.chain.mine(25)
    stage.catch_up(stage.follower())
    assert stage.balances()[f"{stage.custody()} {ETH}"] == 111_111
    assert stage.balances()[f"{stage.custody()} TUSD/6"] == 111_111
    stored = stage.rows("SELECT count(*) AS n FROM chain_block")[0]["n"]
    assert stored < 30, "blocks that do not touch us are not stored while catching up"
    stage.assert_sound()


def test_an_address_registered_later_is_watched_from_then_on(stage: Stage):
    follower = stage.follower()
    stage.catch_up(follower)
    late = bytes.fromhex("e1" * 20)
    stage.watch(late)
    stage.send(late, 6)
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.balances() == {f"{stage.custody(late)} {ETH}": 6, f"{SUSPENSE} {ETH}": 6}


def test_an_address_with_a_past_is_scanned_from_the_height_that_was_asked_for(stage: Stage):
    late = bytes.fromhex("e1" * 20)
    stage.send(late, 6)
    stage.send(ADDRESS, 1)
    stage.chain.mine(60)
    follower = stage.follower()
    stage.catch_up(follower)
    stage.watch(late, scan_from_height=0)
    stage.catch_up(follower)
    assert stage.balances() == {
        f"{stage.custody(late)} {ETH}": 6,
        f"{stage.custody()} {ETH}": 1,
        f"{SUSPENSE} {ETH}": 7,
    }
    stage.send(late, 2)
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.balances()[f"{stage.custody(late)} {ETH}"] == 8
    stage.assert_sound()


def test_a_database_that_drops_every_connection_costs_nothing(stage: Stage):
    url = stage.connect.found.url("strongroom_indexer")
    with Leader(url, "indexer:test") as leader:
        follower = stage.follower(leadership=Elected(leader))
        for value in (1, 2, 4):
            stage.send(ADDRESS, value)
            stage.chain.mine()
            for _ in range(stage.chain.height() % 3 + 2):
                stage.tolerate(follower)
            stage.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'strongroom_indexer' AND datname = current_database()"
            )
        assert follower.step() is False, "its lock died with the connection"
        stage.struggle(follower)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 7
    assert len(stage.rows("SELECT * FROM deposit")) == 3
    assert stage.rows("SELECT epoch FROM leader_epoch")[0]["epoch"] > 1
    stage.assert_sound()

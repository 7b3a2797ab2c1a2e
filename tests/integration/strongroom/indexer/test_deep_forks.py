"""A reorganisation below finality: nothing is booked, people hear of it, and there is a way on."""

from typing import Any

import pytest

from strongroom.cli import indexer as command
from strongroom.db.actor import system
from strongroom.indexer import service
from strongroom.indexer.service import NotWalkable
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, Stage
from tests.factories.deposit_stage import Flow, flow

__all__ = ["flow"]


def halted(stage: Stage) -> tuple[Any, int]:
    """A final deposit of 5 that a fork takes away, and one of 7 on the new fork."""
    follower = stage.follower()
    stage.catch_up(follower)
    agreed = stage.chain.height()
    stage.send(ADDRESS, 5)
    stage.chain.mine(6)
    stage.catch_up(follower)
    assert stage.rows("SELECT chain_state FROM deposit") == [{"chain_state": "finalized"}]
    stage.chain.rpc("anvil_reorg", stage.chain.height() - agreed, [])
    stage.send(ADDRESS, 7)
    stage.chain.mine(3)
    stage.catch_up(follower)
    assert (
        "final one known here" in stage.rows("SELECT halted_reason AS r FROM chain_cursor")[0]["r"]
    )
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5
    return follower, agreed


def resume(stage: Stage, agreed: int) -> None:
    database = stage.connect("strongroom_indexer", pool_size=1)
    with database.unit(None, system("test")) as uow:
        service.resume(uow, stage.chain.chain_id, "all nodes agree", agreed_height=agreed)


def test_what_left_the_chain_is_taken_back_from_the_last_agreed_block(flow: Flow):
    stage = flow.stage
    follower, agreed = halted(stage)
    resume(stage, agreed)
    stage.catch_up(follower)
    stage.catch_up(follower)
    assert stage.balances() == {f"{stage.custody()} {ETH}": 7, f"{SUSPENSE} {ETH}": 7}
    states = stage.rows("SELECT chain_state, disposition FROM deposit ORDER BY id")
    assert states[0] == {"chain_state": "orphaned", "disposition": "reversed"}
    assert len(states) == 2
    held = int(str(stage.chain.rpc("eth_getBalance", "0x" + ADDRESS.hex(), "latest")), 16)
    assert held == 7
    orphans = stage.rows("SELECT height FROM chain_block WHERE state = 'orphaned'")
    assert agreed + 1 in [row["height"] for row in orphans], "the deposit's own block"
    flow.deliver("indexer.halted", "reconciliation.run")
    assert "indexer.halted" in [row["kind"] for row in stage.rows("SELECT kind FROM alert")]
    assert stage.rows("SELECT * FROM custody_freeze") == []
    stage.assert_sound()


def test_a_credited_deposit_that_left_leaves_a_frozen_account_and_no_hole(flow: Flow):
    """The client was credited: the money is gone on chain, and the books say so."""
    stage = flow.stage
    flow.import_list()
    follower = stage.follower()
    stage.catch_up(follower)
    agreed = stage.chain.height()
    flow.give_out()
    stage.send(ADDRESS, 5)
    stage.chain.mine(6)
    stage.catch_up(follower)
    flow.settle()
    assert stage.balances()[f"client:treasury {ETH}"] == 5
    stage.chain.rpc("anvil_reorg", stage.chain.height() - agreed, [])
    stage.chain.mine(3)
    stage.catch_up(follower)
    resume(stage, agreed)
    stage.catch_up(follower)
    stage.catch_up(follower)
    assert stage.balances() == {}
    stage.assert_sound()


def test_resuming_without_the_agreed_block_halts_again(stage: Stage):
    follower, _ = halted(stage)
    database = stage.connect("strongroom_indexer", pool_size=1)
    with database.unit(None, system("test")) as uow:
        service.resume(uow, stage.chain.chain_id, "looked at")
    stage.catch_up(follower)
    stage.catch_up(follower)
    assert stage.rows("SELECT halted_reason AS r FROM chain_cursor")[0]["r"] is not None
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5


def test_nothing_final_is_taken_back_unless_the_chain_is_halted(stage: Stage):
    stage.chain.mine(6)
    stage.catch_up(stage.follower())
    with pytest.raises(NotWalkable, match="not halted"):
        resume(stage, 2)


def test_a_block_before_everything_stored_is_nothing_to_go_back_to(stage: Stage):
    stage.chain.mine(60)
    follower = stage.follower()
    stage.catch_up(follower)
    cursor = follower.cursor
    assert cursor is not None
    follower._cursor = follower._books.halt(cursor, "a fork")
    with pytest.raises(NotWalkable, match="Restore"):
        resume(stage, 10)


def test_the_command_takes_the_agreed_block(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    follower, agreed = halted(stage)
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", stage.connect.found.url("strongroom_indexer"))
    monkeypatch.setenv("STRONGROOM_RPC_URLS", stage.chain.url)
    assert command.run(["status"]) == 1
    assert "HALTED" in capsys.readouterr().out
    words = ["resume", "--reason", "all nodes agree", "--agreed", str(agreed)]
    assert command.run(words) == 0
    assert f"takes back what is above block {agreed}" in capsys.readouterr().out
    stage.catch_up(follower)
    stage.catch_up(follower)
    assert command.run(["status"]) == 0

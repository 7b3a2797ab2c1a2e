"""Reorganisations: what left the chain is reversed by linked entries, none deleted (P2, P3)."""

from typing import Any

import pytest

from strongroom.db.actor import system
from strongroom.indexer import service
from strongroom.indexer.errors import ForkChanged
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, Stage


def raw_payment(stage: Stage, value: int) -> str:
    """A payment mined and then taken off again by a snapshot; its raw bytes remain."""
    snapshot = stage.chain.rpc("evm_snapshot")
    sent = stage.send(ADDRESS, value)
    stage.chain.mine()
    raw: Any = stage.chain.rpc("eth_getRawTransactionByHash", sent)
    stage.chain.rpc("evm_revert", snapshot)
    return str(raw)


def test_a_deposit_that_a_fork_drops_is_reversed_and_its_rows_stay(stage: Stage):
    follower = stage.follower()
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.balances() == {}
    (deposit,) = stage.rows("SELECT * FROM deposit")
    assert (deposit["chain_state"], deposit["disposition"]) == ("orphaned", "reversed")
    phases = stage.rows("SELECT phase, refers_to, memo, block_hash FROM ledger_transaction")
    assert sorted(row["phase"] for row in phases) == ["reversal", "single"]
    assert phases[0]["memo"] == phases[1]["memo"]
    assert len(stage.rows("SELECT * FROM chain_transfer")) == 1
    (orphan,) = stage.rows("SELECT * FROM chain_block WHERE state = 'orphaned'")
    assert orphan["orphaned_at"] > orphan["seen_at"]
    stage.assert_sound()


def test_a_transaction_that_comes_back_in_another_block_is_booked_again(stage: Stage):
    follower = stage.follower()
    raw = raw_payment(stage, 5)
    stage.chain.rpc("eth_sendRawTransaction", raw)
    stage.chain.mine()
    stage.catch_up(follower)
    first = stage.rows("SELECT * FROM deposit")[0]
    stage.chain.rpc("anvil_reorg", 1, [[raw, 0]])
    stage.chain.mine()
    stage.catch_up(follower)
    rows = stage.rows("SELECT * FROM deposit ORDER BY id")
    assert [row["chain_state"] for row in rows] == ["orphaned", "confirmed"]
    assert rows[0]["tx_hash"] == rows[1]["tx_hash"] == first["tx_hash"]
    assert rows[0]["block_hash"] != rows[1]["block_hash"]
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5
    stage.assert_sound()


def test_a_block_that_comes_back_whole_is_booked_again_under_another_key(stage: Stage):
    follower = stage.follower()
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(follower)
    assert follower.cursor is not None
    follower._cursor = follower._books.unwind(follower.cursor)
    assert stage.balances() == {}
    stage.catch_up(follower)
    rows = stage.rows("SELECT * FROM deposit ORDER BY id")
    assert rows[0]["block_hash"] == rows[1]["block_hash"]
    assert [row["sighting"] for row in rows] == [1, 2]
    assert [row["chain_state"] for row in rows] == ["orphaned", "confirmed"]
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5
    stage.assert_sound()


def test_a_fork_below_finality_stops_the_books_and_says_so(stage: Stage):
    follower = stage.follower()
    stage.send(ADDRESS, 5)
    stage.chain.mine(6)
    stage.catch_up(follower)
    cursor = follower.cursor
    assert cursor is not None
    assert cursor.finalized_height >= 4
    stage.chain.rpc("anvil_reorg", 5, [])
    stage.chain.mine()
    stage.catch_up(follower)
    (row,) = stage.rows("SELECT * FROM chain_cursor")
    assert "final one known here" in row["halted_reason"]
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5
    assert follower.step() is False
    (told,) = stage.rows("SELECT payload FROM outbox WHERE topic = 'indexer.halted'")
    assert told["payload"]["reason"] == row["halted_reason"]


def test_people_let_a_halted_indexer_go_on_and_the_log_keeps_why(stage: Stage):
    follower = stage.follower()
    stage.chain.mine(6)
    stage.catch_up(follower)
    cursor = follower.cursor
    assert cursor is not None
    follower._cursor = follower._books.halt(cursor, "a node was wrong")
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.balances() == {}
    with stage.connect("strongroom_indexer", pool_size=1).unit(None, system("test")) as uow:
        service.resume(uow, stage.chain.chain_id, "the node was replaced")
    stage.catch_up(follower)
    stage.catch_up(follower)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5


def test_a_node_that_lags_is_waited_for_and_nothing_is_taken_back(stage: Stage):
    follower = stage.follower()
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    lagging = stage.chain.rpc("evm_snapshot")
    stage.chain.mine(1)
    stage.catch_up(follower)
    height = stage.rows("SELECT height FROM chain_cursor")[0]["height"]
    stage.chain.rpc("evm_revert", lagging)
    stage.catch_up(follower)
    assert stage.rows("SELECT height FROM chain_cursor")[0]["height"] == height
    assert stage.rows("SELECT * FROM chain_block WHERE state = 'orphaned'") == []


def test_a_deposit_waits_for_its_confirmations_and_is_unseen_without_a_posting(stage: Stage):
    follower = stage.follower(confirmations=3)
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.rows("SELECT chain_state FROM deposit") == [{"chain_state": "seen"}]
    assert stage.balances() == {}
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.rows("SELECT chain_state FROM deposit") == [{"chain_state": "orphaned"}]
    assert stage.rows("SELECT * FROM ledger_transaction") == []
    stage.send(ADDRESS, 8)
    stage.chain.mine(3)
    stage.catch_up(follower)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 8


def test_what_was_believed_at_a_moment_can_still_be_asked(stage: Stage):
    follower = stage.follower()
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(follower)
    (block,) = stage.rows("SELECT * FROM chain_block WHERE touched")
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.catch_up(follower)
    then = stage.rows(
        "SELECT t.units FROM chain_transfer AS t JOIN chain_block AS b ON b.id = t.block_id"
        " WHERE b.seen_at <= %s AND coalesce(b.orphaned_at > %s, true)",
        block["seen_at"],
        block["seen_at"],
    )
    assert [row["units"] for row in then] == [5]


def test_a_final_block_of_another_fork_is_not_finalized(stage: Stage):
    follower = stage.follower()
    stage.chain.mine(3)
    stage.catch_up(follower)
    cursor = follower.cursor
    assert cursor is not None
    stage.chain.mine(3)
    header = follower._thread.read(follower._thread.fetcher.header_at(cursor.height - 1))
    forged = type(header)(
        height=cursor.height,
        hash=header.hash,
        parent_hash=header.parent_hash,
        time=header.time,
        transactions_root=header.transactions_root,
        receipts_root=header.receipts_root,
        logs_bloom=header.logs_bloom,
        base_fee_wei=header.base_fee_wei,
        rlp=header.rlp,
    )
    with pytest.raises(ForkChanged):
        follower._books.finalize(cursor, forged, forged.height)

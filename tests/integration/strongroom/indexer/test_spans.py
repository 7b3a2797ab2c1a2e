"""Spans: many blocks read, matched ahead and written at once, with the same books as one by one."""

from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import Any

import pytest

from strongroom.chain.errors import LimitExceeded, NodeLied
from strongroom.chain.rpc import Call
from strongroom.indexer.fetch_thread import RANGE_BLOCKS, Ahead
from strongroom.indexer.fetcher import Fetcher
from strongroom.indexer.follower import Follower
from strongroom.indexer.types import FetchedBlock, Span
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, Stage
from tests.integration.strongroom.indexer.test_lying_nodes import Tampering, read

LATE = bytes.fromhex("e1" * 20)


def spans(
    last: int, *, final: bool, among: Sequence[bytes] | None = None
) -> Callable[[Fetcher], Coroutine[Any, Any, list[FetchedBlock]]]:
    """A reading of everything up to a block."""
    return lambda fetcher: fetcher.blocks(1, last, final=final, among=among)


def heights(stage: Stage, state: str) -> list[int]:
    found = stage.rows("SELECT height FROM chain_block WHERE state = %s ORDER BY height", state)
    return [row["height"] for row in found]


def test_final_blocks_are_booked_and_closed_in_one_unit(stage: Stage):
    token = stage.deploy_dollar()
    stage.allow(token)
    stage.mint(token, ADDRESS, 3)
    stage.send(ADDRESS, 4)
    stage.chain.mine(20)
    follower = stage.follower()
    follower.step()
    follower.step()
    cursor = follower.cursor
    assert cursor is not None
    final = stage.chain.height() - 2
    assert (cursor.height, cursor.confirmed_height, cursor.finalized_height) == (final,) * 3
    assert stage.balances()[f"{stage.custody()} TUSD/6"] == 3
    assert {row["chain_state"] for row in stage.rows("SELECT * FROM deposit")} == {"finalized"}
    stage.catch_up(follower)
    stage.assert_sound()


def test_every_block_that_is_not_final_is_stored_so_that_each_can_be_taken_back(stage: Stage):
    follower = stage.follower()
    stage.catch_up(follower)
    stage.chain.mine()
    stage.send(ADDRESS, 7)
    last = stage.chain.mine()
    stage.catch_up(follower)
    stored = stage.rows("SELECT height FROM chain_block WHERE height >= %s", last - 1)
    assert {row["height"] for row in stored} == {last - 1, last}
    stage.chain.rpc("anvil_reorg", 2, [])
    stage.chain.mine()
    stage.struggle(follower)
    assert stage.balances() == {}
    stage.assert_sound()


def test_a_span_read_before_an_address_was_registered_is_matched_again(stage: Stage):
    """It was matched ahead: whoever is watched by now must be looked for in it, and the node was
    asked for the events of those alone who were watched before.
    """
    token = stage.deploy_dollar()
    stage.allow(token)
    stage.chain.mine(60)
    stage.send(LATE, 6)
    stage.chain.mine()
    stage.mint(token, LATE, 8)
    stage.chain.mine(60)
    follower, ahead = read_ahead(stage)
    assert len(ahead._spans) > 1
    stage.watch(LATE)
    stage.catch_up(follower)
    assert stage.balances()[f"{stage.custody(LATE)} {ETH}"] == 6
    assert stage.balances()[f"{stage.custody(LATE)} TUSD/6"] == 8


def test_few_addresses_are_looked_for_by_the_node_itself(stage: Stage):
    token = stage.deploy_dollar()
    stage.allow(token)
    stage.mint(token, ADDRESS, 5)
    stage.mint(token, LATE, 7)
    last = stage.chain.mine(2)
    seen: list[int] = []

    def listen(call: Call, answer: Any) -> Any:
        seen.extend([len(answer)] if call.method == "eth_getLogs" else [])
        return answer

    for final in (True, False):
        found = read(
            stage,
            listen,
            spans(last, final=final, among=[ADDRESS]),
        )
        assert [log.data for block in found for log in block.logs] == ["0x" + f"{5:064x}"]
    assert sum(seen) == 2


def test_a_payment_between_two_of_ours_is_one_log(stage: Stage):
    token = stage.deploy_dollar()
    payer = bytes.fromhex(stage.chain.accounts()[0][2:])
    stage.mint(token, payer, 9)
    stage.pay_token(token, ADDRESS, 9)
    last = stage.chain.mine(2)
    found = read(
        stage,
        lambda _, answer: answer,
        lambda fetcher: fetcher.blocks(1, last, among=[ADDRESS, payer]),
    )
    assert sum(len(block.logs) for block in found) == 2


def test_with_nobody_watched_no_events_are_asked_for(stage: Stage):
    last = stage.chain.mine(3)
    asked: list[str] = []

    def listen(call: Call, answer: Any) -> Any:
        asked.append(call.method)
        return answer

    read(stage, listen, lambda fetcher: fetcher.blocks(1, last, among=[]))
    assert "eth_getLogs" not in asked


def test_a_log_of_a_block_that_is_none_of_the_range_is_a_lie(stage: Stage):
    token = stage.deploy_dollar()
    stage.mint(token, ADDRESS, 5)
    last = stage.chain.mine(2)

    def foreign(call: Call, answer: Any) -> Any:
        if call.method != "eth_getLogs":
            return answer
        return [{**log, "blockHash": "0x" + "99" * 32} for log in answer]

    for final in (True, False):
        with pytest.raises(NodeLied, match="another fork"):
            read(stage, foreign, spans(last, final=final))


def test_a_log_that_the_bloom_denies_is_a_lie(stage: Stage):
    token = stage.deploy_dollar()
    stage.mint(token, ADDRESS, 5)
    last = stage.chain.mine(2)

    def moved(call: Call, answer: Any) -> Any:
        """The event is said to be in the empty block behind."""
        if call.method != "eth_getLogs":
            return answer
        empty: Any = stage.chain.rpc("eth_getBlockByNumber", hex(last), False)
        return [{**log, "blockHash": empty["hash"]} for log in answer]

    with pytest.raises(NodeLied, match="bloom"):
        read(stage, moved, lambda fetcher: fetcher.blocks(1, last))


def test_what_is_not_final_is_asked_for_by_block_hash(stage: Stage):
    token = stage.deploy_dollar()
    stage.mint(token, ADDRESS, 5)
    last = stage.chain.mine(2)
    queries: list[Any] = []

    def listen(call: Call, answer: Any) -> Any:
        if call.method == "eth_getLogs":
            queries.append(call.params[0])
        return answer

    found = read(stage, listen, lambda fetcher: fetcher.blocks(1, last, final=False))
    assert sum(len(block.logs) for block in found) == 1
    assert queries
    assert all("blockHash" in query for query in queries)


def test_one_block_over_the_cap_is_read_from_its_receipts(stage: Stage):
    token = stage.deploy_dollar()
    stage.mint(token, ADDRESS, 5)
    last = stage.chain.mine(2)

    def cap(call: Call, answer: Any) -> Any:
        capped = call.method == "eth_getLogs"
        return LimitExceeded("query returned more than 10000 results") if capped else answer

    found = read(stage, cap, lambda fetcher: fetcher.blocks(1, last))
    assert [block.receipts is not None for block in found] == [True] * last
    assert sum(len(block.logs) for block in found) == 1


def test_a_payment_left_out_of_a_touched_block_is_found_in_its_receipts(stage: Stage):
    """The node shows one of two payments: the receipts under the root show both."""
    token = stage.deploy_dollar()
    stage.allow(token)
    stage.mint(token, ADDRESS, 5)
    stage.mint(token, ADDRESS, 7)
    stage.chain.mine(2)
    follower = stage.follower()
    shown = follower._thread.fetcher._rpc

    def short(call: Call, answer: Any) -> Any:
        return answer[:1] if call.method == "eth_getLogs" else answer

    follower._thread.fetcher._rpc = Tampering(shown, short)
    stage.catch_up(follower)
    assert stage.balances()[f"{stage.custody()} TUSD/6"] == 12


def read_ahead(stage: Stage) -> tuple[Follower, Ahead]:
    """A follower that has taken over, with all final blocks read and none written."""
    follower = stage.follower()
    follower.step()
    cursor, ahead = follower.cursor, follower._ahead
    assert cursor is not None
    ahead._fill(cursor.height + 1, follower._read_tip(cursor), follower._watched)
    wait([reading for key, reading in ahead._spans.items() if key[1] < stage.chain.height() - 2])
    return follower, ahead


def test_final_spans_that_are_read_already_are_written_by_one_unit(stage: Stage):
    stage.send(ADDRESS, 4)
    stage.chain.mine(60)
    stage.send(ADDRESS, 5)
    stage.chain.mine(70)
    follower, _ = read_ahead(stage)
    follower.step()
    cursor = follower.cursor
    assert cursor is not None
    assert cursor.finalized_height >= 2 * RANGE_BLOCKS
    records = stage.rows("SELECT convert_from(record, 'UTF8') AS said FROM log_pending")
    assert sum("indexer.blocks_booked" in row["said"] for row in records) == 2  # ours, the house's
    assert stage.balances() == {f"{SUSPENSE} {ETH}": 9, f"{stage.custody()} {ETH}": 9}
    states = stage.rows("SELECT state FROM deposit_transition ORDER BY deposit_id, ordinal")
    assert [row["state"] for row in states] == ["seen", "unscreened", "finalized"] * 2
    stage.catch_up(follower)
    stage.assert_sound()


def test_a_span_that_does_not_follow_the_last_one_is_not_written_with_it(stage: Stage):
    stage.chain.mine(130)
    follower, ahead = read_ahead(stage)
    (second, reading) = list(ahead._spans.items())[1]
    span, other = reading.result(), Future[Span]()
    other.set_result(replace(span, blocks=span.blocks[1:], indexed=span.indexed[1:]))
    ahead._spans[second] = other
    follower.step()
    cursor = follower.cursor
    assert cursor is not None
    assert cursor.height == RANGE_BLOCKS

"""A node's answers are checked before anything is believed; a lie costs time and nothing else (P2).

The node is real; what it says is edited on the way, as a lagging, capped or lying one would.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec
import pytest

from strongroom.chain.async_rpc import AsyncRpc
from strongroom.chain.errors import (
    BlockUnknown,
    ChainError,
    LimitExceeded,
    MethodMissing,
    NodeLied,
)
from strongroom.chain.rpc import Call
from strongroom.indexer.fetcher import Fetcher, Rpc
from tests.factories.chain_stage import ADDRESS, ETH, FORWARD, Stage

T = TypeVar("T")
Edit = Callable[[Call, Any], Any]


class Tampering:
    """Passes batches on to a real node and edits what comes back."""

    def __init__(self, rpc: Rpc, edit: Edit) -> None:
        self._rpc = rpc
        self._edit = edit
        self.asked: list[Call] = []

    async def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        self.asked += calls
        found: list[msgspec.Raw | ChainError] = []
        for call, answer in zip(calls, await self._rpc.ask_all(calls), strict=True):
            if isinstance(answer, ChainError):
                found.append(answer)
                continue
            edited = self._edit(call, json.loads(bytes(answer)))
            raw = (
                edited
                if isinstance(edited, ChainError)
                else msgspec.Raw(json.dumps(edited).encode())
            )
            found.append(raw)
        return found


def read(stage: Stage, edit: Edit, what: Callable[[Fetcher], Coroutine[Any, Any, T]]) -> T:
    """Do one read through an edited node."""

    async def run() -> T:
        rpc = AsyncRpc([stage.chain.url])
        try:
            return await what(Fetcher(Tampering(rpc, edit)))
        finally:
            await rpc.close()

    return asyncio.run(run())


def editing(method: str, change: Callable[[Any], Any]) -> Edit:
    return lambda call, answer: change(answer) if call.method == method else answer


def paid(stage: Stage) -> int:
    stage.send(ADDRESS, 5)
    return stage.chain.mine()


def with_member(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda answer: {**answer, name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gasUsed", "0x1"),
        ("timestamp", "0x1"),
        ("receiptsRoot", "0x" + "11" * 32),
        ("hash", "0x" + "22" * 32),
        ("parentHash", "0x" + "33" * 32),
        ("number", "0x1"),
    ],
)
def test_a_header_with_an_edited_field_is_refused(stage: Stage, name: str, value: str):
    height = paid(stage)
    with pytest.raises(NodeLied):
        read(
            stage,
            editing("eth_getBlockByNumber", with_member(name, value)),
            lambda fetcher: fetcher.block(height),
        )


def test_another_block_than_the_one_asked_for_is_refused(stage: Stage):
    height = paid(stage)
    other: Any = stage.chain.rpc("eth_getBlockByNumber", hex(height - 1), True)
    with pytest.raises(NodeLied):
        read(
            stage,
            editing("eth_getBlockByNumber", lambda _: other),
            lambda fetcher: fetcher.block(height),
        )


def test_a_block_whose_transactions_were_left_out_is_refused(stage: Stage):
    height = paid(stage)
    with pytest.raises(NodeLied):
        read(
            stage,
            editing("eth_getBlockByNumber", with_member("transactions", [])),
            lambda fetcher: fetcher.block(height),
        )


def edit_receipt(change: Callable[[dict[str, Any]], None]) -> Edit:
    def edit(answer: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for receipt in answer:
            change(receipt)
        return answer

    return editing("eth_getBlockReceipts", edit)


def raise_units(receipt: dict[str, Any]) -> None:
    for log in receipt["logs"]:
        log["data"] = "0x" + "ff" * 32


def test_an_edited_amount_in_a_receipt_does_not_survive_the_root(stage: Stage):
    token = stage.deploy_dollar()
    stage.mint(token, ADDRESS, 5)
    height = stage.chain.mine()

    async def proven(fetcher: Fetcher) -> object:
        return await fetcher.evidence(await fetcher.block(height), {0})

    assert read(stage, lambda _, answer: answer, proven)
    with pytest.raises(NodeLied, match="receipts"):
        read(stage, edit_receipt(raise_units), proven)


def test_receipts_without_their_logs_do_not_fit_the_bloom(stage: Stage):
    token = stage.deploy_dollar()
    stage.mint(token, ADDRESS, 5)
    height = stage.chain.mine()

    def empty(receipt: dict[str, Any]) -> None:
        receipt.update(logs=[], logsBloom="0x" + "00" * 256)

    with pytest.raises(NodeLied, match="bloom"):
        read(stage, edit_receipt(empty), lambda fetcher: fetcher.block(height))


def test_missing_receipts_or_traces_mean_not_yet(stage: Stage):
    height = paid(stage)
    nothing_yet = (
        editing("eth_getBlockReceipts", lambda _: None),
        editing("trace_block", lambda _: []),
    )
    for edit in nothing_yet:
        with pytest.raises(BlockUnknown):
            read(stage, edit, lambda fetcher: fetcher.block(height))


def test_receipts_of_another_fork_are_refused(stage: Stage):
    height = paid(stage)

    def other_fork(receipt: dict[str, Any]) -> None:
        receipt["blockHash"] = "0x" + "99" * 32

    with pytest.raises(NodeLied):
        read(stage, edit_receipt(other_fork), lambda fetcher: fetcher.block(height))


def test_a_range_that_the_node_caps_is_halved_down_to_single_blocks(stage: Stage):
    token = stage.deploy_dollar()
    for _ in range(8):
        stage.mint(token, ADDRESS, 1)
        stage.chain.mine()
    last = stage.chain.height()

    def cap(call: Call, answer: Any) -> Any:
        if call.method != "eth_getLogs":
            return answer
        span = int(call.params[0]["toBlock"], 16) - int(call.params[0]["fromBlock"], 16)
        return LimitExceeded("query returned more than 10000 results") if span > 1 else answer

    found = read(stage, cap, lambda fetcher: fetcher.blocks(1, last))
    assert [block.header.height for block in found] == list(range(1, last + 1))
    assert sum(len(block.logs) for block in found) == 8


def test_a_range_whose_logs_were_left_out_is_asked_for_receipts(stage: Stage):
    token = stage.deploy_dollar()
    stage.mint(token, ADDRESS, 5)
    last = stage.chain.mine(2)
    found = read(
        stage,
        editing("eth_getLogs", lambda _: []),
        lambda fetcher: fetcher.blocks(1, last),
    )
    assert sum(len(block.logs) for block in found) == 1


def test_a_range_that_mixes_two_forks_is_refused(stage: Stage):
    paid(stage)
    first, last = stage.chain.height(), stage.chain.mine(2)
    foreign: Any = stage.chain.rpc("eth_getBlockByNumber", hex(last), True)
    stage.chain.rpc("anvil_reorg", 2, [])

    def mixed(call: Call, answer: Any) -> Any:
        if call.method == "eth_getBlockByNumber" and call.params[0] == hex(last):
            return foreign
        return answer

    with pytest.raises(NodeLied):
        read(stage, mixed, lambda fetcher: fetcher.blocks(first, last))


def test_a_node_without_trace_block_is_read_by_call_tracer(stage: Stage):
    forwarder = stage.deploy(FORWARD)
    stage.send(forwarder, 7, "0x" + ADDRESS.rjust(32, b"\0").hex(), gas="0x20000")
    height = stage.chain.mine()
    missing = editing("trace_block", lambda _: MethodMissing("no"))
    found = read(stage, missing, lambda fetcher: fetcher.block(height))
    usual = read(stage, lambda _, answer: answer, lambda fetcher: fetcher.block(height))
    assert found.movements == usual.movements
    assert [item.units for item in found.movements] == [7, 7]


def test_raw_transactions_that_do_not_fit_leave_only_the_receipts_proof(stage: Stage):
    height = paid(stage)

    async def proven(fetcher: Fetcher) -> Any:
        return await fetcher.evidence(await fetcher.block(height), {0})

    edited = editing("eth_getRawTransactionByBlockHashAndIndex", lambda _: "0x02c0")
    assert read(stage, edited, proven).tx_proofs == {}
    assert read(stage, edited, proven).receipt_proofs[0]
    assert read(stage, lambda _, answer: answer, proven).tx_proofs[0]


def raise_value(traces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**trace, "action": {**trace["action"], "value": "0xff"}} for trace in traces]


def pay_elsewhere(traces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**trace, "action": {**trace["action"], "to": "0x" + "77" * 20}} for trace in traces]


def fail_all(traces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**trace, "error": "Reverted"} for trace in traces]


@pytest.mark.parametrize("change", [raise_value, pay_elsewhere, fail_all])
def test_a_trace_that_contradicts_the_transactions_own_bytes_is_a_lie(
    stage: Stage, change: Callable[[Any], Any]
):
    """P2: a receipt has no native amounts; the transaction under the root has them."""
    height = paid(stage)

    async def proven(fetcher: Fetcher) -> object:
        return await fetcher.evidence(await fetcher.block(height), {0})

    with pytest.raises(NodeLied, match="pays something else"):
        read(stage, editing("trace_block", change), proven)


def test_a_payment_said_to_be_of_another_amount_is_a_lie(stage: Stage):
    height = paid(stage)

    def more(block: dict[str, Any]) -> dict[str, Any]:
        spoilt = [{**one, "value": "0xff"} for one in block["transactions"]]
        return {**block, "transactions": spoilt}

    async def proven(fetcher: Fetcher) -> object:
        return await fetcher.evidence(await fetcher.block(height), {0})

    with pytest.raises(NodeLied, match="pays something else"):
        read(stage, editing("eth_getBlockByHash", more), proven)


def test_a_lie_costs_time_and_nothing_else(stage: Stage):
    """The follower throws the answer away, asks again, and books what is true."""
    follower = stage.follower()
    stage.catch_up(follower)
    paid(stage)
    honest, lies = follower._thread._rpc, iter([True, True])

    def sometimes(call: Call, answer: Any) -> Any:
        if (
            call.method == "eth_getBlockByNumber"
            and call.params[0] != "latest"
            and next(lies, False)
        ):
            return {**answer, "stateRoot": "0x" + "66" * 32}
        return answer

    follower._thread.fetcher._rpc = Tampering(honest, sometimes)
    stage.struggle(follower)
    assert stage.balances()[f"{stage.custody()} {ETH}"] == 5

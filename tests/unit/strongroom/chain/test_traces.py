"""Value inside a block: a reverted call takes everything below it along."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from strongroom.chain.answers import TraceAnswer, TransactionFramesAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.headers import Header
from strongroom.chain.traces import movements, movements_of_frames

HASH = bytes([0xBB]) * 32
HEADER = Header(7, HASH, HASH, datetime(2026, 1, 1, tzinfo=UTC), HASH, HASH, bytes(256), 1, b"")
A, B, C, D = ("0x" + digit * 40 for digit in "abcd")


def trace(path: list[int], to: str, value: int, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "call",
        "action": {"from": A, "to": to, "value": hex(value), "callType": "call"},
        "blockHash": "0x" + HASH.hex(),
        "traceAddress": path,
        "transactionHash": "0x" + "11" * 32,
        "transactionPosition": 0,
    }
    return found | more


def units(*traces: dict[str, Any]) -> list[tuple[str, int, int]]:
    answers = msgspec.convert(list(traces), list[TraceAnswer])
    found = movements(HEADER, answers)
    return [("0x" + item.recipient.hex(), item.units, item.trace_index) for item in found]


def test_children_of_a_reverted_call_are_dropped_though_they_show_no_error():
    found = units(
        trace([], B, 1),
        trace([0], C, 2, error="Reverted"),
        trace([0, 0], D, 3),
        trace([0, 0, 1], D, 4),
        trace([1], C, 5),
    )
    assert found == [(B, 1, 0), (C, 5, 4)]


def test_a_failed_transaction_brings_nothing_but_is_seen():
    """Its sender may be a key of ours, whose nonce and gas it used."""
    assert units(trace([], B, 1, error="out of gas"), trace([0], C, 2)) == [(B, 0, 0)]


def test_a_creation_that_failed_has_no_recipient():
    create = trace([], B, 0, type="create", error="out of gas")
    create["action"] = {"from": A, "value": "0x9"}
    assert units(create) == [("0x", 0, 0)]


def test_calls_that_move_nothing_are_left_out():
    delegate = {"from": A, "to": B, "value": "0x5", "callType": "delegatecall"}
    static = {"from": A, "to": B, "value": "0x0", "callType": "staticcall"}
    found = units(trace([], B, 0, action=delegate), trace([0], B, 0, action=static))
    assert found == []


def test_a_creation_pays_the_new_contract_and_a_destruction_its_heir():
    create = trace([], B, 0, type="create", result={"address": C})
    create["action"] = {"from": A, "value": "0x9"}
    destroy = trace([0], B, 0, type="suicide")
    destroy["action"] = {"address": C, "refundAddress": D, "balance": "0x4"}
    assert units(create, destroy) == [(C, 9, 0), (D, 4, 1)]


def test_rewards_belong_to_no_transaction():
    reward = trace([], B, 1, type="reward")
    reward["transactionHash"] = None
    assert units(reward) == []


def test_each_transaction_counts_its_own_traces_and_reverts():
    second = {"transactionHash": "0x" + "22" * 32, "transactionPosition": 1}
    found = units(trace([], B, 1, error="Reverted"), trace([], C, 2, **second))
    assert found == [(B, 0, 0), (C, 2, 0)]


def test_traces_of_another_fork_are_refused():
    with pytest.raises(NodeLied):
        units(trace([], B, 1, blockHash="0x" + "99" * 32))


def test_call_tracer_frames_give_the_same():
    def frame(to: str, value: int, *calls: Any, **more: Any) -> dict[str, Any]:
        return {"type": "CALL", "from": A, "to": to, "value": hex(value), "calls": calls, **more}

    tree = frame(B, 1, frame(C, 2, frame(D, 3), error="execution reverted"), frame(C, 5))
    answers = msgspec.convert(
        [{"result": tree, "txHash": "0x" + "11" * 32}], list[TransactionFramesAnswer]
    )
    found = movements_of_frames(answers)
    assert [(item.units, item.trace_index) for item in found] == [(1, 0), (5, 3)]

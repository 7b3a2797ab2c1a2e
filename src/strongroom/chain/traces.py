"""Native value that moved inside a block, from its traces (trace_block: Parity's trace module).

A reverted call takes everything below it along, though the children carry no error of their own:
the whole subtree is dropped, or a deposit would be credited that never happened.
"""

from collections.abc import Sequence
from typing import NamedTuple

from strongroom.chain.answers import (
    FrameAnswer,
    TraceAction,
    TraceAnswer,
    TransactionFramesAnswer,
)
from strongroom.chain.errors import NodeLied
from strongroom.chain.headers import Header
from strongroom.chain.rpc import octets, quantity

_NO_VALUE = frozenset({"delegatecall", "staticcall", "callcode"})
"""Calls that move nothing: delegatecall repeats its parent's value, callcode pays itself."""


class Movement(NamedTuple):
    """A call, a creation or a self-destruction that stood. `trace_index` counts in its transaction.

    `units` in wei; zero for a call that only touches the recipient. A transaction that failed is
    here with zero: it moved nothing, but it used its sender's nonce and gas.
    """

    tx_hash: bytes
    tx_index: int
    trace_index: int
    sender: bytes
    recipient: bytes
    units: int


def movements(header: Header, traces: Sequence[TraceAnswer]) -> list[Movement]:
    """All movements of a block in order; raises NodeLied when a trace is of another block."""
    found: list[Movement] = []
    named, transaction, tx_hash, index = "0x" + header.hash.hex(), "", b"", 0
    dropped: list[list[int]] = []
    for trace in traces:
        if trace.block_hash != named:
            raise NodeLied(f"Traces of block {header.height} are of another fork; asked again.")
        if trace.transaction_hash is None:
            continue  # a block reward: it belongs to no transaction
        if trace.transaction_hash != transaction:
            transaction, index, dropped = trace.transaction_hash, 0, []
            tx_hash = octets(transaction, 32)
        else:
            index += 1
        failed = trace.error is not None
        if failed:
            dropped.append(trace.trace_address)
        if failed and index == 0:
            found.append(_failed(trace.action, tx_hash, trace.transaction_position or 0))
        elif not dropped or not _below(trace.trace_address, dropped):
            ends = _ends(trace)
            if ends is not None:
                position = trace.transaction_position or 0
                found.append(Movement(tx_hash, position, index, *ends))
    return found


def movements_of_frames(transactions: Sequence[TransactionFramesAnswer]) -> list[Movement]:
    """The same from callTracer's frames, for nodes without trace_block; already pinned by hash."""
    found: list[Movement] = []
    for tx_index, transaction in enumerate(transactions):
        tx_hash = octets(transaction.tx_hash, 32)
        if transaction.result.error is not None:
            found.append(_failed(transaction.result, tx_hash, tx_index))
            continue
        stack, trace_index = [(transaction.result, False)], -1
        while stack:
            frame, below_revert = stack.pop()
            trace_index += 1
            reverted = below_revert or frame.error is not None
            stack.extend((child, reverted) for child in reversed(frame.calls))
            if reverted or frame.type.lower() in _NO_VALUE:
                continue
            if frame.sender is not None and frame.to is not None:
                ends = _moved(frame.sender, frame.to, frame.value)
                found.append(Movement(tx_hash, tx_index, trace_index, *ends))
    return found


def _failed(action: TraceAction | FrameAnswer, tx_hash: bytes, tx_index: int) -> Movement:
    """The first call of a failed transaction; no recipient where it was a creation."""
    sender, recipient = octets(action.sender or "0x", 20), octets(action.to or "0x")
    return Movement(tx_hash, tx_index, 0, sender, recipient, 0)


def _below(place: list[int], dropped: list[list[int]]) -> bool:
    return any(place[: len(prefix)] == prefix for prefix in dropped)


def _ends(trace: TraceAnswer) -> tuple[bytes, bytes, int] | None:
    action = trace.action
    if trace.type == "call" and action.call_type not in _NO_VALUE:
        sender, recipient, value = action.sender, action.to, action.value
    elif trace.type == "suicide":
        sender, recipient, value = action.address, action.refund_address, action.balance
    elif trace.type == "create":
        created = trace.result.address if trace.result is not None else None
        sender, recipient, value = action.sender, created, action.value
    else:
        return None
    if sender is None or recipient is None:
        return None
    return _moved(sender, recipient, value)


def _moved(sender: str, recipient: str, value: str | None) -> tuple[bytes, bytes, int]:
    units = 0 if value is None or value == "0x0" else quantity(value)
    return octets(sender, 20), octets(recipient, 20), units

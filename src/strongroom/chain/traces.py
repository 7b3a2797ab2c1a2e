"""Native value that moved inside a block, from its traces (trace_block: Parity's trace module).

A reverted call takes everything below it along, though the children carry no error of their own:
the whole subtree is dropped, or a deposit would be credited that never happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.chain.answers import FrameAnswer, TraceAnswer, TransactionFramesAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.headers import Header
from strongroom.chain.rpc import octets, quantity

_NO_VALUE = frozenset({"delegatecall", "staticcall", "callcode"})
"""Calls that move nothing: delegatecall repeats its parent's value, callcode pays itself."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A call, a creation or a self-destruction that stood. `trace_index` counts in its transaction.

    `units` in wei; zero for a call that only touches the recipient.
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
    transaction, index = "", 0
    dropped: list[list[int]] = []
    for trace in traces:
        if octets(trace.block_hash, 32) != header.hash:
            raise NodeLied(f"Traces of block {header.height} are of another fork; asked again.")
        if trace.transaction_hash is None:
            continue  # a block reward: it belongs to no transaction
        if trace.transaction_hash != transaction:
            transaction, index, dropped = trace.transaction_hash, 0, []
        else:
            index += 1
        if trace.error is not None:
            dropped.append(trace.trace_address)
        if any(trace.trace_address[: len(prefix)] == prefix for prefix in dropped):
            continue
        movement = _movement(trace, index)
        if movement is not None:
            found.append(movement)
    return found


def movements_of_frames(transactions: Sequence[TransactionFramesAnswer]) -> list[Movement]:
    """The same from callTracer's frames, for nodes without trace_block; already pinned by hash."""
    found: list[Movement] = []
    for tx_index, transaction in enumerate(transactions):
        stack, trace_index = [(transaction.result, False)], -1
        while stack:
            frame, below_revert = stack.pop()
            trace_index += 1
            reverted = below_revert or frame.error is not None
            stack.extend((child, reverted) for child in reversed(frame.calls))
            if not reverted and frame.type.lower() not in _NO_VALUE:
                found.extend(_of_frame(frame, transaction.tx_hash, tx_index, trace_index))
    return found


def _of_frame(frame: FrameAnswer, tx_hash: str, tx_index: int, trace_index: int) -> list[Movement]:
    if frame.sender is None or frame.to is None:
        return []
    return [
        Movement(
            tx_hash=octets(tx_hash, 32),
            tx_index=tx_index,
            trace_index=trace_index,
            sender=octets(frame.sender, 20),
            recipient=octets(frame.to, 20),
            units=quantity(frame.value or "0x0"),
        )
    ]


def _movement(trace: TraceAnswer, index: int) -> Movement | None:
    action = trace.action
    if trace.type == "suicide":
        sender, recipient, value = action.address, action.refund_address, action.balance
    elif trace.type == "create":
        created = trace.result.address if trace.result is not None else None
        sender, recipient, value = action.sender, created, action.value
    elif trace.type == "call" and action.call_type not in _NO_VALUE:
        sender, recipient, value = action.sender, action.to, action.value
    else:
        return None
    if sender is None or recipient is None:
        return None
    return Movement(
        tx_hash=octets(trace.transaction_hash or "", 32),
        tx_index=trace.transaction_position or 0,
        trace_index=index,
        sender=octets(sender, 20),
        recipient=octets(recipient, 20),
        units=quantity(value or "0x0"),
    )

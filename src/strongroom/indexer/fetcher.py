"""Reads blocks from a node and believes nothing it can check.

Head: header, then receipts by block hash and traces that name that hash. Backfill: ranges, halved
whenever the node caps them, down to the receipts of one block. No database here.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Protocol

import msgspec

from strongroom.chain.answers import (
    BlockAnswer,
    HeaderAnswer,
    LogAnswer,
    ReceiptAnswer,
    TraceAnswer,
    TransactionFramesAnswer,
)
from strongroom.chain.balances import BalanceOracle
from strongroom.chain.errors import (
    BlockUnknown,
    ChainError,
    LimitExceeded,
    MethodMissing,
    NodeLied,
)
from strongroom.chain.headers import Header, check_header, may_contain
from strongroom.chain.rpc import Call, octets, quantity, read, read_optional
from strongroom.chain.traces import Movement, movements, movements_of_frames
from strongroom.chain.tries import check_receipts, check_transactions, receipt_rlp
from strongroom.chain.witnesses import Witnesses
from strongroom.indexer import matching
from strongroom.indexer.matching import TRANSFER_TOPIC
from strongroom.indexer.types import Evidence, FetchedBlock, Tip
from strongroom.kit.metrics import counter

CALLS_MAX: Final = 100
"""Calls in one JSON-RPC batch; nodes commonly cap batches at 100 to 1,000."""


class Rpc(Protocol):
    """A way to ask a node a batch of calls."""

    async def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        """One result or error a call."""
        ...


class Fetcher:
    """Reads one chain's blocks."""

    def __init__(self, rpc: Rpc, witnesses: Witnesses | None = None) -> None:
        """`rpc`: batches in, answers out. `witnesses` must name each block, too, if there are any:
        every block at the head, and of a range the last, which names all before it.
        """
        self._rpc = rpc
        self._witnesses = witnesses
        self._parity_traces = True
        self._oracle = BalanceOracle(rpc)

    async def chain_id(self) -> int:
        """The chain that the node serves."""
        return quantity(read((await self._rpc.ask_all([Call("eth_chainId")]))[0], str))

    async def latest(self) -> Header:
        """The newest header."""
        return (await self._headers([Call("eth_getBlockByNumber", ("latest", False))]))[0]

    async def tip(self) -> Tip:
        """Newest, safe and finalized block in one batch, so that a lagging node shows itself."""
        tags = ("latest", "safe", "finalized")
        calls = [Call("eth_getBlockByNumber", (tag, False)) for tag in tags]
        latest, safe, finalized = await self._headers(calls)
        await self._agreed(finalized)
        return Tip(latest, min(safe.height, latest.height), finalized)

    async def header_at(self, height: int) -> Header:
        """The header at a height. Raises BlockUnknown."""
        header = (await self._headers([Call("eth_getBlockByNumber", (hex(height), False))]))[0]
        await self._agreed(header)
        return header

    async def block(self, height: int) -> FetchedBlock:
        """One block, hash-pinned: everything in it names the header's hash."""
        answers = await self._rpc.ask_all([Call("eth_getBlockByNumber", (hex(height), True))])
        header, answer = _block(answers[0], height)
        await self._agreed(header)
        if header.empty:
            return _empty(header)
        receipts = await self._receipts(header, len(answer.transactions))
        moved = (await self._movements([header]))[0]
        logs = tuple(log for receipt in receipts for log in receipt.logs)
        return FetchedBlock(header, tuple(answer.transactions), moved, logs, receipts)

    async def blocks(self, first: int, last: int) -> list[FetchedBlock]:
        """A range of blocks, parent-linked; halved while the node caps it."""
        if first == last:
            return [await self.block(first)]
        try:
            return await self._range(first, last)
        except LimitExceeded:
            counter("strongroom_indexer_ranges_halved_total", "Ranges a node capped.").inc()
            middle = (first + last) // 2
            return [*await self.blocks(first, middle), *await self.blocks(middle + 1, last)]

    async def evidence(self, block: FetchedBlock, indexes: set[int]) -> Evidence:
        """Receipts with the root recomputed, raw transactions, and the proofs of `indexes`."""
        header = block.header
        receipts = block.receipts
        if receipts is None:
            receipts = await self._receipts(header, len(block.transactions))
        trie = check_receipts(header, receipts)
        raw, tx_proofs = await self._raw_transactions(block, indexes)
        if raw:
            matching.check_payments(block, receipts, raw, indexes)
        return Evidence(
            receipts=receipts,
            receipt_rlp=tuple(receipt_rlp(receipt) for receipt in receipts),
            receipt_proofs={index: trie.proof(index) for index in indexes},
            raw=raw,
            tx_proofs=tx_proofs,
        )

    async def balances(
        self, header: Header, held: Sequence[tuple[bytes, bytes | None]]
    ) -> list[int]:
        """Units that each (address, token or None) holds at exactly this block."""
        return await self._oracle.read(header, held)

    async def _range(self, first: int, last: int) -> list[FetchedBlock]:
        heights = range(first, last + 1)
        calls = [Call("eth_getBlockByNumber", (hex(height), True)) for height in heights]
        answers = await self._ask(calls)
        blocks = [_block(item, height) for item, height in zip(answers, heights, strict=True)]
        headers = [header for header, _ in blocks]
        for parent, child in pairwise(headers):
            if child.parent_hash != parent.hash:
                raise NodeLied(f"Blocks {parent.height} and {child.height} are of two forks.")
        await self._agreed(headers[-1])
        filled = [header for header in headers if not header.empty]
        logs = await self._transfer_logs(first, headers[-1])
        moved = dict(zip((h.hash for h in filled), await self._movements(filled), strict=True))
        found = []
        for header, answer in blocks:
            own = logs.get(header.hash, ())
            if not own and may_contain(header.logs_bloom, TRANSFER_TOPIC):
                found.append(await self.block(header.height))
                continue
            transactions = tuple(answer.transactions)
            found.append(FetchedBlock(header, transactions, moved.get(header.hash, ()), own, None))
        return found

    async def _transfer_logs(self, first: int, last: Header) -> dict[bytes, tuple[LogAnswer, ...]]:
        """Transfer events by block hash, with the last block's hash asked in the same batch."""
        query = {
            "fromBlock": hex(first),
            "toBlock": hex(last.height),
            "topics": ["0x" + TRANSFER_TOPIC.hex()],
        }
        answers = await self._rpc.ask_all(
            [
                Call("eth_getLogs", (query,)),
                Call("eth_getBlockByNumber", (hex(last.height), False)),
            ]
        )
        if _header(answers[1]).hash != last.hash:
            raise NodeLied(f"Block {last.height} changed while its logs were read; asked again.")
        grouped: dict[bytes, list[LogAnswer]] = {}
        for log in read(answers[0], list[LogAnswer]):
            grouped.setdefault(octets(log.block_hash, 32), []).append(log)
        return {block_hash: tuple(logs) for block_hash, logs in grouped.items()}

    async def _receipts(self, header: Header, expected: int) -> tuple[ReceiptAnswer, ...]:
        call = Call("eth_getBlockReceipts", ("0x" + header.hash.hex(),))
        receipts = read_optional((await self._rpc.ask_all([call]))[0], list[ReceiptAnswer])
        if receipts is None or len(receipts) != expected:
            raise BlockUnknown(f"The node has no complete receipts of block {header.height} yet.")
        bloom = 0
        for receipt in receipts:
            if octets(receipt.block_hash, 32) != header.hash:
                raise NodeLied(f"Receipts of block {header.height} are of another fork.")
            bloom |= int.from_bytes(octets(receipt.logs_bloom, 256), "big")
        if bloom != int.from_bytes(header.logs_bloom, "big"):
            raise NodeLied(f"The receipts of block {header.height} do not fit its logs bloom.")
        return tuple(receipts)

    async def _movements(self, headers: Sequence[Header]) -> list[tuple[Movement, ...]]:
        if self._parity_traces:
            calls = [Call("trace_block", (hex(header.height),)) for header in headers]
            try:
                answers = [read(item, list[TraceAnswer]) for item in await self._ask(calls)]
            except MethodMissing:
                self._parity_traces = False
            else:
                return [
                    _checked_movements(header, traces)
                    for header, traces in zip(headers, answers, strict=True)
                ]
        tracer = {"tracer": "callTracer"}
        calls = [
            Call("debug_traceBlockByHash", ("0x" + header.hash.hex(), tracer)) for header in headers
        ]
        return [
            tuple(movements_of_frames(read(item, list[TransactionFramesAnswer])))
            for item in await self._ask(calls)
        ]

    async def _raw_transactions(
        self, block: FetchedBlock, indexes: set[int]
    ) -> tuple[tuple[bytes, ...], dict[int, list[bytes]]]:
        """Raw bytes and proofs, or nothing where the node has no raw bytes that fit."""
        named = "0x" + block.header.hash.hex()
        calls = [
            Call("eth_getRawTransactionByBlockHashAndIndex", (named, hex(index)))
            for index in range(len(block.transactions))
        ]
        hashes = [octets(item.hash, 32) for item in block.transactions]
        try:
            raw = [octets(read(answer, str)) for answer in await self._ask(calls)]
            trie = check_transactions(block.header, hashes, raw)
        except (MethodMissing, NodeLied):
            counter("strongroom_indexer_raw_missing_total", "Blocks without raw bytes.").inc()
            return (), {}
        return tuple(raw), {index: trie.proof(index) for index in indexes}

    async def _agreed(self, header: Header) -> None:
        if self._witnesses is not None:
            await self._witnesses.agree(header)

    async def _headers(self, calls: Sequence[Call]) -> list[Header]:
        return [_header(answer) for answer in await self._rpc.ask_all(calls)]

    async def _ask(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        found: list[msgspec.Raw | ChainError] = []
        for start in range(0, len(calls), CALLS_MAX):
            found += await self._rpc.ask_all(calls[start : start + CALLS_MAX])
        return found


def _block(answer: msgspec.Raw | ChainError, height: int) -> tuple[Header, BlockAnswer]:
    block = read_optional(answer, BlockAnswer)
    if block is None:
        raise BlockUnknown(f"The node does not have block {height} yet.")
    header = check_header(block)
    if header.height != height:
        raise NodeLied(f"The node gave block {header.height} where {height} was asked for.")
    if header.empty != (not block.transactions):
        raise NodeLied(f"The transactions of block {height} do not fit its header.")
    return header, block


def _header(answer: msgspec.Raw | ChainError) -> Header:
    found = read_optional(answer, HeaderAnswer)
    if found is None:
        raise BlockUnknown("The node does not have this block yet, or no longer.")
    return check_header(found)


def _empty(header: Header) -> FetchedBlock:
    return FetchedBlock(header, (), (), (), ())


def _checked_movements(header: Header, traces: list[TraceAnswer]) -> tuple[Movement, ...]:
    if not traces:
        raise BlockUnknown(f"The node has no traces of block {header.height} yet.")
    return tuple(movements(header, traces))

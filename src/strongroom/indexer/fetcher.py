"""Reads blocks from a node and believes nothing it can check.

Head: header, then receipts by block hash and traces that name that hash. Backfill: ranges, halved
whenever the node caps them, down to the receipts of one block. No database here.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, Protocol, TypeAlias

import msgspec

from strongroom.chain.answers import (
    BlockAnswer,
    HeaderAnswer,
    LogAnswer,
    NamedBlockAnswer,
    ReceiptAnswer,
    TraceAnswer,
    TransactionAnswer,
    TransactionFramesAnswer,
)
from strongroom.chain.balances import BalanceOracle
from strongroom.chain.errors import (
    BlockUnknown,
    ChainError,
    LimitExceeded,
    MethodMissing,
    NodeLied,
    NodeRefused,
)
from strongroom.chain.headers import Header, check_header, may_contain
from strongroom.chain.rpc import Call, octets, quantity, read, read_optional
from strongroom.chain.traces import Movement, movements, movements_of_frames
from strongroom.chain.tries import check_receipts, check_transactions
from strongroom.chain.withdrawals import read_withdrawals
from strongroom.chain.witnesses import Witnesses
from strongroom.indexer import matching
from strongroom.indexer.matching import TRANSFER_TOPIC
from strongroom.indexer.types import Evidence, FetchedBlock, Tip
from strongroom.kit.metrics import counter

Filter: TypeAlias = list[str | list[str] | None]
"""Topics of one `eth_getLogs`: at each place a word, one of several, or any."""
_TRANSFER: Final = "0x" + TRANSFER_TOPIC.hex()
_ALL: Final[list[Filter]] = [[_TRANSFER]]
CALLS_MAX: Final = 100
"""Calls in one JSON-RPC batch; nodes commonly cap batches at 100 to 1,000."""


class Rpc(Protocol):
    """A way to ask a node a batch of calls."""

    async def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        """One result or error a call."""
        ...


class Fetcher:
    """Reads one chain's blocks."""

    def __init__(
        self,
        rpc: Rpc,
        witnesses: Witnesses | None = None,
        *,
        finality_depth: int = 0,
        traces: bool = True,
    ) -> None:
        """`rpc`: batches in, answers out. `witnesses` must name each block, too, if there are any:
        every block at the head, and of a range the last, which names all before it.
        `finality_depth`: blocks below the head that are final, or 0 = by the nodes' tags.
        Without `traces` only tokens are seen: for a second reading of them, and to measure.
        """
        self.finality_depth = finality_depth
        self._rpc = rpc
        self._witnesses = witnesses
        self._traces = traces
        self._parity_traces = True
        self._oracle = BalanceOracle(rpc)

    async def chain_id(self) -> int:
        """The chain that the node serves."""
        return quantity(read((await self._rpc.ask_all([Call("eth_chainId")]))[0], str))

    async def latest(self) -> Header:
        """The newest header."""
        return (await self._headers([Call("eth_getBlockByNumber", ("latest", False))]))[0]

    async def tip(self) -> Tip:
        """Newest, safe and finalized block: by the tags, in one batch, so that a lagging node shows
        itself; or by depth. Raises BlockUnknown, NodeLied.
        """
        if self.finality_depth:
            latest = await self.latest()
            await self._agreed(latest)
            final = await self.header_at(max(latest.height - self.finality_depth, 0))
            return Tip(latest, final.height, final)
        tags = ("latest", "safe", "finalized")
        calls = [Call("eth_getBlockByNumber", (tag, False)) for tag in tags]
        answers = await self._rpc.ask_all(calls)
        latest = _header(answers[0])
        try:
            safe, final = (_header(answer) for answer in answers[1:])
        except (BlockUnknown, NodeRefused) as error:
            raise BlockUnknown(
                "The node names no safe and no finalized block. If that stays so, its chain has no "
                "such tags: set STRONGROOM_FINALITY_DEPTH (finality_depth)."
            ) from error
        if final.height > latest.height:
            raise NodeLied(
                f"The node calls block {final.height} final, above its newest, {latest.height}."
            )
        reached = await self._reached("finalized", final.height)
        if reached < final.height:
            final = await self.header_at(reached)
        else:
            await self._agreed(final)
        safe_height = await self._reached("safe", min(safe.height, latest.height))
        return Tip(latest, max(final.height, safe_height), final)

    async def header_at(self, height: int) -> Header:
        """The header at a height. Raises BlockUnknown."""
        header = (await self._headers([Call("eth_getBlockByNumber", (hex(height), False))]))[0]
        await self._agreed(header)
        return header

    async def block(self, height: int) -> FetchedBlock:
        """One block, hash-pinned: everything in it names the header's hash."""
        call = Call("eth_getBlockByNumber", (hex(height), False))
        header, answer = _named_block((await self._rpc.ask_all([call]))[0], height)
        await self._agreed(header)
        withdrawals = read_withdrawals(answer)
        if header.empty:
            return FetchedBlock(header, (), (), (), (), withdrawals)
        receipts, moved = await asyncio.gather(
            self._receipts(header, len(answer.transactions)), self._movements([header])
        )
        logs = tuple(log for receipt in receipts for log in receipt.logs)
        return FetchedBlock(header, (), moved[0], logs, receipts, withdrawals)

    async def blocks(
        self,
        first: int,
        last: int,
        *,
        final: bool = True,
        among: Collection[bytes] | None = None,
    ) -> list[FetchedBlock]:
        """A range of blocks, parent-linked; halved while the node caps it. What is not `final` is
        asked for by block hash; `among`: only events from or to these few addresses.
        """
        if first == last:
            return [await self.block(first)]
        try:
            return await self._range(first, last, _filters(among), final=final)
        except LimitExceeded:
            counter("strongroom_indexer_ranges_halved_total", "Ranges a node capped.").inc()
            middle = (first + last) // 2
            found = await self.blocks(first, middle, final=final, among=among)
            rest = await self.blocks(middle + 1, last, final=final, among=among)
            _check_linked([found[-1].header, rest[0].header])
            return [*found, *rest]

    async def with_receipts(self, block: FetchedBlock) -> FetchedBlock:
        """The block with its receipts and all their events; the root is evidence()'s to check."""
        if block.receipts is not None:
            return block
        return matching.with_receipts(block, await self._receipts(block.header, None))

    async def evidence(
        self, block: FetchedBlock, indexes: Collection[int], *, whole: bool = True
    ) -> Evidence:
        """Receipts with the root recomputed and the proofs of `indexes`; `whole`: and transactions,
        raw where the node gives them, under their root.
        """
        header = block.header
        receipts = (await self.with_receipts(block)).receipts or ()
        trie = check_receipts(header, receipts)
        found = Evidence(
            receipts=receipts,
            receipt_rlp=trie.items,
            receipt_proofs={index: trie.proof(index) for index in indexes},
            raw=(),
            tx_proofs={},
        )
        if not whole:
            return found
        transactions, raw, tx_proofs = await self._whole(header, indexes)
        if len(transactions) != len(receipts):
            raise NodeLied(f"Block {header.height} has not one receipt for each transaction.")
        if raw:
            named = replace(block, transactions=transactions)
            matching.check_payments(named, receipts, raw, indexes)
        return replace(found, transactions=transactions, raw=raw, tx_proofs=tx_proofs)

    async def balances(
        self, header: Header, held: Sequence[tuple[bytes, bytes | None]]
    ) -> list[int]:
        """Units that each (address, token or None) holds at exactly this block."""
        return await self._oracle.read(header, held)

    async def _range(
        self, first: int, last: int, filters: Sequence[Filter], *, final: bool
    ) -> list[FetchedBlock]:
        heights = range(first, last + 1)
        calls = [Call("eth_getBlockByNumber", (hex(height), False)) for height in heights]
        answers = await self._ask(calls)
        blocks = [_named_block(item, height) for item, height in zip(answers, heights, strict=True)]
        headers = [header for header, _ in blocks]
        _check_linked(headers)
        await self._agreed(headers[-1])
        filled = [header for header in headers if not header.empty]
        logs, moved = await asyncio.gather(
            self._range_logs(headers, filters) if final else self._pinned_logs(filled, filters),
            self._movements(filled),
        )
        moved_in = dict(zip((header.hash for header in filled), moved, strict=True))
        own = _by_block(headers, logs)
        found = []
        for header, answer in blocks:
            promised = may_contain(header.logs_bloom, TRANSFER_TOPIC)
            if own[header.hash] and not promised:
                raise NodeLied(f"The logs of block {header.height} do not fit its logs bloom.")
            if promised and not own[header.hash] and filters == _ALL:
                found.append(await self.block(header.height))
                continue
            movements_in = moved_in.get(header.hash, ())
            seen, withdrawals = tuple(own[header.hash]), read_withdrawals(answer)
            found.append(FetchedBlock(header, (), movements_in, seen, None, withdrawals))
        return found

    async def _range_logs(
        self, headers: Sequence[Header], filters: Sequence[Filter]
    ) -> list[LogAnswer]:
        """Transfer events by heights, with the last block's hash asked in the same batch."""
        first, last = headers[0], headers[-1]
        between = {"fromBlock": hex(first.height), "toBlock": hex(last.height)}
        calls = [Call("eth_getLogs", ({**between, "topics": topics},)) for topics in filters]
        calls.append(Call("eth_getBlockByNumber", (hex(last.height), False)))
        answers = await self._rpc.ask_all(calls)
        if _header(answers[-1]).hash != last.hash:
            raise NodeLied(f"Block {last.height} changed while its logs were read; asked again.")
        return _merged(answers[:-1])

    async def _pinned_logs(
        self, headers: Sequence[Header], filters: Sequence[Filter]
    ) -> list[LogAnswer]:
        """Transfer events by the hash of each block."""
        pins = ["0x" + one.hash.hex() for one in headers]
        queries = [{"blockHash": pin, "topics": topics} for pin in pins for topics in filters]
        return _merged(await self._ask([Call("eth_getLogs", (query,)) for query in queries]))

    async def _receipts(self, header: Header, expected: int | None) -> tuple[ReceiptAnswer, ...]:
        call = Call("eth_getBlockReceipts", ("0x" + header.hash.hex(),))
        receipts = read_optional((await self._rpc.ask_all([call]))[0], list[ReceiptAnswer])
        if receipts is None or (expected is not None and len(receipts) != expected):
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
        if not self._traces:
            return [() for _ in headers]
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

    async def _whole(
        self, header: Header, indexes: Collection[int]
    ) -> tuple[tuple[TransactionAnswer, ...], tuple[bytes, ...], dict[int, list[bytes]]]:
        """Transactions, raw bytes and proofs; no bytes where the node has none that fit."""
        named = "0x" + header.hash.hex()
        answer = read_optional(
            (await self._rpc.ask_all([Call("eth_getBlockByHash", (named, True))]))[0], BlockAnswer
        )
        if answer is None or check_header(answer).hash != header.hash:
            raise BlockUnknown(f"The node has no block {header.height} of this hash any more.")
        transactions = tuple(answer.transactions)
        calls = [
            Call("eth_getRawTransactionByBlockHashAndIndex", (named, hex(index)))
            for index in range(len(transactions))
        ]
        hashes = [octets(item.hash, 32) for item in transactions]
        try:
            raw = tuple([octets(read(item, str)) for item in await self._ask(calls)])
            trie = check_transactions(header, hashes, raw)
        except (MethodMissing, NodeLied):
            counter("strongroom_indexer_raw_missing_total", "Blocks without raw bytes.").inc()
            return transactions, (), {}
        return transactions, raw, {index: trie.proof(index) for index in indexes}

    async def _agreed(self, header: Header) -> None:
        if self._witnesses is not None:
            await self._witnesses.agree(header)

    async def _reached(self, tag: str, claimed: int) -> int:
        """What enough nodes say of a tag: one alone would make blocks final before their time."""
        if self._witnesses is None:
            return claimed
        return await self._witnesses.height_of(tag, claimed)

    async def _headers(self, calls: Sequence[Call]) -> list[Header]:
        return [_header(answer) for answer in await self._rpc.ask_all(calls)]

    async def _ask(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        found: list[msgspec.Raw | ChainError] = []
        for start in range(0, len(calls), CALLS_MAX):
            found += await self._rpc.ask_all(calls[start : start + CALLS_MAX])
        return found


def _named_block(answer: msgspec.Raw | ChainError, height: int) -> tuple[Header, NamedBlockAnswer]:
    block = read_optional(answer, NamedBlockAnswer)
    if block is None:
        raise BlockUnknown(f"The node does not have block {height} yet.")
    header = check_header(block)
    if header.height != height:
        raise NodeLied(f"The node gave block {header.height} where {height} was asked for.")
    if header.empty != (not block.transactions):
        raise NodeLied(f"The transactions of block {height} do not fit its header.")
    return header, block


def _filters(among: Collection[bytes] | None) -> list[Filter]:
    """Topics to ask for: all Transfers, or those from, and those to, these addresses."""
    if among is None:
        return _ALL
    words = ["0x" + address.rjust(32, b"\0").hex() for address in sorted(among)]
    return [[_TRANSFER, words], [_TRANSFER, None, words]] if words else []


def _merged(answers: Sequence[msgspec.Raw | ChainError]) -> list[LogAnswer]:
    """The logs of all answers; one that two of them have is there once."""
    if len(answers) == 1:
        return read(answers[0], list[LogAnswer])
    logs = (log for answer in answers for log in read(answer, list[LogAnswer]))
    return list({(log.block_hash, log.log_index): log for log in logs}.values())


def _check_linked(headers: Sequence[Header]) -> None:
    for parent, child in pairwise(headers):
        if child.parent_hash != parent.hash:
            raise NodeLied(f"Blocks {parent.height} and {child.height} are of two forks.")


def _by_block(headers: Sequence[Header], logs: Sequence[LogAnswer]) -> dict[bytes, list[LogAnswer]]:
    named: dict[str, list[LogAnswer]] = {"0x" + header.hash.hex(): [] for header in headers}
    try:
        for log in logs:
            named[log.block_hash].append(log)
    except KeyError as error:
        raise NodeLied(f"The node gave a log of block {error}, which is of another fork.") from None
    return {header.hash: named["0x" + header.hash.hex()] for header in headers}


def _header(answer: msgspec.Raw | ChainError) -> Header:
    found = read_optional(answer, HeaderAnswer)
    if found is None:
        raise BlockUnknown("The node does not have this block yet, or no longer.")
    return check_header(found)


def _checked_movements(header: Header, traces: list[TraceAnswer]) -> tuple[Movement, ...]:
    if not traces:
        raise BlockUnknown(f"The node has no traces of block {header.height} yet.")
    return tuple(movements(header, traces))

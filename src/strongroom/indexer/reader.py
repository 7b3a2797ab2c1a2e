"""Blocks read and matched in one go on the fetcher's loop, while the writer writes earlier ones."""

import asyncio
from collections.abc import Sequence
from typing import Final

from strongroom.chain.ports import BlockView
from strongroom.indexer import matching
from strongroom.indexer.fetcher import Fetcher
from strongroom.indexer.matching import Kinds
from strongroom.indexer.types import FetchedBlock, IndexedBlock, Span

LISTED_MAX: Final = 1_000
"""Up to so many addresses a node is asked for their events alone; nodes cap longer lists."""


class Reader:
    """Reads spans of one chain's blocks."""

    def __init__(self, fetcher: Fetcher, chain_id: int) -> None:
        """`fetcher` asks the nodes."""
        self._fetcher = fetcher
        self._chain_id = chain_id

    async def read(self, first: int, last: int, watched: Kinds, *, final: bool) -> Span:
        """Blocks first to last, matched. `watched` may grow meanwhile: `known` says how large it
        was, so that the span is matched again where that matters.
        """
        known, among = len(watched), list(watched)
        listed = len(among) <= LISTED_MAX
        blocks = await self._fetcher.blocks(
            first, last, final=final, among=among if listed else None
        )
        indexed = await self.index(blocks, watched)
        return Span(tuple(blocks), tuple(indexed), known, final, listed)

    async def match(self, span: Span, watched: Kinds) -> Span:
        """The same blocks with what concerns us now; read again where only events of some addresses
        were asked for. Raises NodeLied, NodeUnavailable.
        """
        if span.listed:
            first, last = span.blocks[0].header.height, span.blocks[-1].header.height
            return await self.read(first, last, watched, final=span.final)
        known = len(watched)
        indexed = await self.index(span.blocks, watched)
        return Span(span.blocks, tuple(indexed), known, span.final)

    async def index(self, blocks: Sequence[FetchedBlock], watched: Kinds) -> list[IndexedBlock]:
        """Each block reduced to what concerns us; what does is proven under the header's roots."""
        touched = [block for block in blocks if matching.concerned(block, watched).indexes]
        proven = await asyncio.gather(*(self._proven(block, watched) for block in touched))
        by_hash = {one.header.hash: one for one in proven}
        return [
            by_hash.get(block.header.hash) or self._untouched(block, watched) for block in blocks
        ]

    def _untouched(self, block: FetchedBlock, watched: Kinds) -> IndexedBlock:
        """No transaction of it concerns us, so its logs are not looked through once more."""
        left = FetchedBlock(block.header, (), (), (), None, block.withdrawals)
        return IndexedBlock(block.header, self._view(left, watched), None)

    async def _proven(self, block: FetchedBlock, watched: Kinds) -> IndexedBlock:
        """All its receipts, and what they show: the node may have left something out before."""
        whole = await self._fetcher.with_receipts(block)
        found = matching.concerned(whole, watched)
        evidence = await self._fetcher.evidence(whole, found.indexes, whole=found.whole)
        proven = matching.with_receipts(whole, evidence.receipts, evidence.transactions)
        return IndexedBlock(block.header, self._view(proven, watched), evidence)

    def _view(self, block: FetchedBlock, watched: Kinds) -> BlockView:
        return matching.reduce_block(block, self._chain_id, watched)

"""The fetcher's own thread and event loop, and a bounded window of blocks read ahead.

The writer stays synchronous: it asks for the next blocks and mostly finds them read already.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from typing import Any, Final, TypeVar

from strongroom.chain.async_rpc import AsyncRpc
from strongroom.chain.errors import NodeLied, NodeUnavailable
from strongroom.chain.witnesses import NodesDisagree, Witnesses
from strongroom.indexer.fetcher import Fetcher
from strongroom.indexer.matching import Kinds
from strongroom.indexer.reader import Reader
from strongroom.indexer.types import Span, Tip

T = TypeVar("T")
RANGE_BLOCKS: Final = 50
"""Blocks in one backfill range: 50 to 100 a call is where nodes are fastest."""
WINDOW: Final = 8
"""Ranges or blocks read ahead: the bound of the queue between fetcher and writer."""
TOUCHED_MAX: Final = 200
"""Touched blocks of one unit of final blocks: bounds its locks and its postings."""
ANSWER_SECONDS: Final = 60.0
"""No read takes longer; the node's own time-out is far shorter."""


class FetchThread:
    """A Fetcher on an event loop in a daemon thread."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        agree: int = 1,
        finality_depth: int = 0,
        timeout_seconds: float = 10,
        traces: bool = True,
    ) -> None:
        """Starts the thread; stop() ends it. `agree` of the nodes must name a block;
        `finality_depth` and `traces` as the Fetcher's.
        """
        self._loop = asyncio.new_event_loop()
        self._rpc = AsyncRpc(urls, timeout_seconds=timeout_seconds)
        self._witnesses = Witnesses(urls, agree, timeout_seconds=timeout_seconds)
        self.fetcher = Fetcher(
            self._rpc, self._witnesses, finality_depth=finality_depth, traces=traces
        )
        self._thread = threading.Thread(target=self._loop.run_forever, name="fetch", daemon=True)
        self._thread.start()

    def start(self, reading: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin a read."""
        return asyncio.run_coroutine_threadsafe(reading, self._loop)

    def wait(self, reading: Future[T]) -> T:
        """The read's result or its error. Raises NodeUnavailable after ANSWER_SECONDS. A node that
        lied, or whose block others do not have, is not the first to be asked the next time.
        """
        asked = self._rpc.preferred
        try:
            return reading.result(ANSWER_SECONDS)
        except (NodeLied, NodesDisagree) as error:
            self._rpc.turn_from(asked, "lied" if isinstance(error, NodeLied) else "alone")
            raise
        except FutureTimeout as error:
            reading.cancel()
            raise NodeUnavailable("The node kept us waiting for too long; asked again.") from error

    def read(self, reading: Coroutine[Any, Any, T]) -> T:
        """Begin a read and wait for it."""
        return self.wait(self.start(reading))

    def call(self, act: Callable[[], None]) -> None:
        """Have something done on the event loop, soon."""
        self._loop.call_soon_threadsafe(act)

    def turn_away(self, fault: str) -> None:
        """Count a fault of the node that is asked now; the next one is asked from now on."""
        self._rpc.turn_from(self._rpc.preferred, fault)

    def stop(self) -> None:
        """Close the connections and end the thread."""
        self.read(self._rpc.close())
        self.read(self._witnesses.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._loop.is_running():
            self._loop.close()


def join(span: Span, more: Span) -> Span:
    """Two spans as one."""
    blocks, indexed = (*span.blocks, *more.blocks), (*span.indexed, *more.indexed)
    return replace(span, blocks=blocks, indexed=indexed)


class Ahead:
    """Reads and matches the next spans of blocks before they are asked for."""

    def __init__(self, thread: FetchThread, chain_id: int) -> None:
        """`thread` does the reading."""
        self.reader = Reader(thread.fetcher, chain_id)
        self._thread = thread
        self._spans: OrderedDict[tuple[int, int], Future[Span]] = OrderedDict()

    def take(self, first: int, tip: Tip, watched: Kinds) -> Span:
        """The next blocks from `first` on, matched with all that is watched now."""
        start, end = next(iter(self._spans), (first, first))
        alone = len(self._spans) == 1 and start == end < tip.latest.height
        if start != first or alone:  # what began alone is read with those that came meanwhile
            self.clear()
        self._fill(first, tip, watched)
        (_, reading) = self._spans.popitem(last=False)
        try:
            span = self.match(self._thread.wait(reading), watched)
        except Exception:
            self.clear()
            raise
        while span.final and (more := self._ready(span)) is not None:
            self._spans.popitem(last=False)
            span = join(span, more)
        return span

    def begin(self, height: int, watched: Kinds) -> None:
        """Begin to read a new block at the head, if nothing before it is left to read."""
        if not self._spans:
            reading = self.reader.read(height, height, watched, final=False)
            self._spans[height, height] = self._thread.start(reading)

    def _ready(self, span: Span) -> Span | None:
        """What follows final blocks, where it was read and matched alike: one unit takes both."""
        reading = next(iter(self._spans.values()), None)
        if reading is None or not reading.done() or reading.cancelled() or reading.exception():
            return None
        more = reading.result()
        follows = more.blocks[0].header.parent_hash == span.blocks[-1].header.hash
        alike = (more.known, more.final, more.listed) == (span.known, span.final, span.listed)
        touched = sum(block.touched for block in (*span.indexed, *more.indexed))
        return more if follows and alike and touched <= TOUCHED_MAX else None

    def match(self, span: Span, watched: Kinds) -> Span:
        """The span as it is, or matched again where addresses were registered meanwhile."""
        if span.known == len(watched):
            return span
        return self._thread.read(self.reader.match(span, watched))

    def clear(self) -> None:
        """Forget what was read ahead: the chain turned out to be another one."""
        for reading in self._spans.values():
            reading.cancel()
        self._spans.clear()

    def _fill(self, first: int, tip: Tip, watched: Kinds) -> None:
        start = next(reversed(self._spans))[1] + 1 if self._spans else first
        while len(self._spans) < WINDOW and start <= tip.latest.height:
            final = start <= tip.finalized.height
            end = tip.finalized.height if final else tip.latest.height
            last = min(start + RANGE_BLOCKS - 1, end)
            reading = self.reader.read(start, last, watched, final=final)
            self._spans[(start, last)] = self._thread.start(reading)
            start = last + 1

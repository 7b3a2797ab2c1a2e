"""The fetcher's own thread and event loop, and a bounded window of blocks read ahead.

The writer stays synchronous: it asks for the next blocks and mostly finds them read already.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Final, TypeVar

from strongroom.chain.async_rpc import AsyncRpc
from strongroom.chain.errors import NodeLied, NodeUnavailable
from strongroom.chain.witnesses import NodesDisagree, Witnesses
from strongroom.indexer.fetcher import Fetcher
from strongroom.indexer.types import FetchedBlock, Tip

T = TypeVar("T")
RANGE_BLOCKS: Final = 50
"""Blocks in one backfill range: 50 to 100 a call is where nodes are fastest."""
WINDOW: Final = 4
"""Ranges or blocks read ahead: the bound of the queue between fetcher and writer."""
ANSWER_SECONDS: Final = 60.0
"""No read takes longer; the node's own time-out is far shorter."""


class FetchThread:
    """A Fetcher on an event loop in a daemon thread."""

    def __init__(self, urls: Sequence[str], *, agree: int = 1, timeout_seconds: float = 10) -> None:
        """Starts the thread; stop() ends it. `agree` of the nodes must name a block."""
        self._loop = asyncio.new_event_loop()
        self._rpc = AsyncRpc(urls, timeout_seconds=timeout_seconds)
        self._witnesses = Witnesses(urls, agree, timeout_seconds=timeout_seconds)
        self.fetcher = Fetcher(self._rpc, self._witnesses)
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

    def stop(self) -> None:
        """Close the connections and end the thread."""
        self.read(self._rpc.close())
        self.read(self._witnesses.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._loop.is_running():
            self._loop.close()


class Ahead:
    """Reads the next spans of blocks before they are asked for."""

    def __init__(self, thread: FetchThread) -> None:
        """`thread` does the reading."""
        self._thread = thread
        self._spans: OrderedDict[tuple[int, int], Future[list[FetchedBlock]]] = OrderedDict()

    def take(self, first: int, tip: Tip) -> list[FetchedBlock]:
        """The next blocks from `first` on: a range while final, else the one block."""
        if self._spans and next(iter(self._spans))[0] != first:
            self.clear()
        self._fill(first, tip)
        (_, reading) = self._spans.popitem(last=False)
        try:
            return self._thread.wait(reading)
        except Exception:
            self.clear()
            raise

    def clear(self) -> None:
        """Forget what was read ahead: the chain turned out to be another one."""
        for reading in self._spans.values():
            reading.cancel()
        self._spans.clear()

    def _fill(self, first: int, tip: Tip) -> None:
        start = next(reversed(self._spans))[1] + 1 if self._spans else first
        while len(self._spans) < WINDOW and start <= tip.latest.height:
            last = start + RANGE_BLOCKS - 1
            if last > tip.finalized.height:
                last = start
            read: Callable[[int, int], Coroutine[Any, Any, list[FetchedBlock]]]
            read = self._thread.fetcher.blocks
            self._spans[(start, last)] = self._thread.start(read(start, last))
            start = last + 1

"""When to look at the head again: at once when a websocket says so, and now and then anyway.

The poll is the truth and the websocket only shortens the wait: while none announces anything, the
node is polled as if there were none. What was missed meanwhile the cursor knows.
"""

import threading
from collections.abc import Sequence
from typing import Final

from strongroom.chain.websocket import SILENT_SECONDS, HeadHints
from strongroom.indexer.fetch_thread import FetchThread

POLL_SECONDS: Final = 0.1
"""How often an idle indexer asks for the head while nobody announces it."""
WATCH_SECONDS: Final = 1.0
"""How often it asks although heads are announced: a websocket may die in silence."""


class Hints:
    """The waiting of one chain's follower."""

    def __init__(
        self,
        thread: FetchThread,
        urls: Sequence[str],
        chain_id: int,
        *,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        """Listens on the fetcher's event loop, if there are `urls`; stop() ends it."""
        self._thread = thread
        self._woken = threading.Event()
        self._head = 0
        self._heads: HeadHints | None = None
        if urls:
            self._heads = HeadHints(urls, chain_id, self._woken.set, silent_seconds=silent_seconds)
            thread.read(self._heads.open())

    def wait(self, head: int) -> None:
        """Return at the next hint or poll. `head`: the newest height that was seen so far."""
        if self._heads is None:
            self._woken.wait(POLL_SECONDS)
            return
        if self._head and head != self._head:
            self._thread.call(self._heads.moved)
        self._head = head
        self._woken.wait(WATCH_SECONDS if self._heads.alive else POLL_SECONDS)
        self._woken.clear()

    def stop(self) -> None:
        """Stop listening."""
        if self._heads is not None:
            self._thread.read(self._heads.close())

"""Moves what is committed from the write-ahead log into journal.sqlite, beside the serving thread:
a checkpoint of its own would make everybody wait for it. Durability is the log's: a commit is
synced there before this comes to it (SQLite, "Write-Ahead Logging", 3 and 5).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

PAUSE_SECONDS = 0.05
# The serving thread's own checkpoint comes when the log is so long; little is left for it then.
PAGES_MAX = 16 * 1024


@contextmanager
def wal_moved(path: Path) -> Iterator[None]:
    """By a thread with a connection of its own, for as long as this lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=_move, args=(path, stop), name="wal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _move(path: Path, stop: threading.Event) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        while not stop.wait(PAUSE_SECONDS):
            # Nothing is lost by a checkpoint that did not happen: the log has it all.
            with suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

"""Group commit: many units of work, one transaction, one fsync.

One thread a process takes the commands that wait (at most 256), writes them as one batch and
resolves their futures. If it is unknown whether a commit happened, the same batch is sent again:
its keys make that harmless. What can't be written fails alone: it is encoded before it waits, and
a batch that PostgreSQL does not take is halved until the one is found.
"""

import queue
import threading
from concurrent.futures import Future
from typing import Final

from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.db.errors import DatabaseUnavailable, LockTimeout, TransactionConflict
from strongroom.db.idempotency import StoredAnswer
from strongroom.kit.crash import crash_point
from strongroom.kit.errors import StrongroomError, Unavailable
from strongroom.kit.log import logger
from strongroom.kit.metrics import histogram
from strongroom.ledger.batch import Outcome, write
from strongroom.ledger.commands import PostingCommand
from strongroom.ledger.encoding import Encoded, encode

BATCH_MAX: Final = 256
WAITING_MAX: Final = 4_096
"""Commands that may wait: beyond this the caller is told to come back."""
ATTEMPTS_MAX: Final = 6
_PAUSES_SECONDS: Final = (0.0, 0.05, 0.2, 0.5, 1.0)
_ACTOR: Final = system("writer")
_TRANSIENT: Final = (DatabaseUnavailable, TransactionConflict, LockTimeout)
Pending = tuple[Encoded, "Future[StoredAnswer]"]


class WriterBusy(Unavailable):
    """Too many commands wait, or the writer is stopping."""

    code = "ledger.writer_busy"


class PostingWriter:
    """Started and stopped by bootstrap; submit() may be called from any thread."""

    def __init__(self, database: Database) -> None:
        """`database` connects as strongroom_api; one of its connections serves the writer."""
        self._database = database
        self._waiting: queue.Queue[Pending | None] = queue.Queue(WAITING_MAX)
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self) -> None:
        """Begin writing."""
        self._thread = threading.Thread(target=self._run, name="posting-writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end. Later commands are refused with WriterBusy."""
        self._closed = True
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None
        while not self._waiting.empty():
            left = self._waiting.get_nowait()
            if left is not None:
                left[1].set_exception(_busy())

    def submit(self, command: PostingCommand) -> "Future[StoredAnswer]":
        """The future gives the stored answer, or raises what the posting was refused with.

        Raises (by the future): CommandUnwritable, IdempotencyConflict, PostingRefused,
        PostingInvalid, DatabaseUnavailable, WriterBusy.
        """
        future: Future[StoredAnswer] = Future()
        if self._closed:
            future.set_exception(_busy())
            return future
        try:
            self._waiting.put_nowait((encode(command), future))
        except queue.Full:
            future.set_exception(_busy())
        except StrongroomError as error:
            future.set_exception(error)
        return future

    def check(self) -> None:
        """A health check: raises when the writer's thread is gone."""
        if self._thread is None or not self._thread.is_alive():
            raise WriterBusy("The posting writer does not run.")

    def _run(self) -> None:
        ending = False
        while not ending:
            batch: list[Pending] = []
            first = self._waiting.get()
            if first is None:
                return
            batch.append(first)
            while len(batch) < BATCH_MAX:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ending = True
                    break
                batch.append(more)
            self._serve([one for one in batch if one[1].set_running_or_notify_cancel()])

    def _serve(self, batch: list[Pending]) -> None:
        """Write a batch and resolve its futures, whatever happens."""
        if not batch:
            return
        try:
            with histogram("strongroom_posting_batch_seconds", "A group commit.").time():
                outcomes = self._write([command for command, _ in batch])
        except Exception as error:  # noqa: BLE001 - the callers get it, the thread lives on
            if len(batch) > 1 and not isinstance(error, _TRANSIENT):
                logger(__name__).warning("writer.halved", commands=len(batch), error=repr(error))
                half = len(batch) // 2
                self._serve(batch[:half])
                self._serve(batch[half:])
                return
            logger(__name__).exception("writer.failed", commands=len(batch))
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, StrongroomError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _write(self, commands: list[Encoded]) -> list[Outcome]:
        """The batch in one unit; again with the same keys when its commit is unknown."""
        pause = threading.Event()
        for attempt in range(ATTEMPTS_MAX):
            try:
                with self._database.unit(None, _ACTOR) as uow:
                    outcomes = write(uow, commands)
                    crash_point("writer.written")
                crash_point("writer.committed")
            except _TRANSIENT as error:
                logger(__name__).warning("writer.again", code=error.code, attempt=attempt)
                if attempt + 1 == ATTEMPTS_MAX:
                    raise
                pause.wait(_PAUSES_SECONDS[attempt])
            else:
                return outcomes
        raise _busy()


def _busy() -> WriterBusy:
    return WriterBusy("Too many postings wait just now, or the process is stopping. Send it again.")

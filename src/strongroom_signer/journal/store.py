"""journal.sqlite: one writer, full sync, hash-chained receipts, and the mark in the token that
keeps an older copy from being passed off as the present one.

The mark says: epoch, a receipt's position and hash, and how far receipts are reserved ahead. It is
renewed at every start, within each 1,000 receipts and at a clean end. A store that lacks the marked
receipt, or has more than was reserved, is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from strongroom_protocol.addresses import Address
from strongroom_protocol.canonical import canonical_bytes, parse_json
from strongroom_protocol.errors import ProtocolError
from strongroom_signer.clock import Clock
from strongroom_signer.errors import Refused, Unfit, check
from strongroom_signer.journal.schema import statements
from strongroom_signer.journal.wal import PAGES_MAX

MARK_BLOCK = 1000
# A unit that does not say how many receipts it may append finds room for so many, which a whole
# batch of requests does not fill.
RECEIPTS_A_REQUEST = 3
RESERVE_MARGIN = 200
# To renew the mark takes the token as long as several requests: it is done early while it is quiet,
# else as late as can be, and then rather between two requests than before one.
IDLE_MARGIN = 400
GAP_MARGIN = 24
# Names are hashes, so each entry touches pages all over the store.
CACHE_KIB = 32 * 1024
GENESIS_HASH = bytes(32)
FIRST_EPOCH = 1
# What people decide, not what requests count.
SELDOM_WRITTEN = frozenset(
    {"organisation", "manifest", "policy", "suspension", "revocation", "first_seen", "epoch"}
    | {"epoch_nonce", "list_version"}
)
REMEMBERED_MAX = 4096
T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """The high-water mark: the store must hold receipt `position` with hash `head`."""

    epoch: int
    position: int
    head: str
    reserved_to: int


class Marks(Protocol):
    """Where the mark is kept, out of the store's reach."""

    def read(self) -> Mark | None:
        """The highest mark, or None before the first start."""
        ...

    def write(self, mark: Mark) -> None:
        """Replace the mark."""
        ...


class Journal:
    """All state of the signer but keys and pool; one process, one thread."""

    def __init__(self, path: Path, clock: Clock, marks: Marks) -> None:
        """Opens or makes the store; raises Unfit when it is another's, rewound or damaged."""
        self._lock = path.with_name("journal.lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise Unfit("another signer is running on this journal") from None
        path.touch(mode=0o600)
        self.clock = clock
        self._marks = marks
        self._remembered: dict[tuple[Any, ...], Any] = {}
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_MAX}")
        for statement in statements():
            self._connection.execute(statement)
        self.size, self.head = self._last_receipt()
        self._reserved_to = 0
        self._open = False

    def begin(self) -> None:
        """Compare the store with clock and mark, and reserve the next block. Raises Unfit."""
        self._check_clock()
        mark = self._marks.read()
        if mark is None:
            if self.size:
                raise Unfit("the journal has receipts but the token holds no mark: wrong token")
            with self.unit():
                self.add("epoch", FIRST_EPOCH, self.clock.now())
        else:
            self._compare(mark)
        self._reserve()

    def mark(self) -> Mark | None:
        """The mark as it stands in the token."""
        return self._marks.read()

    def open_epoch(self, epoch: int, nonces: Mapping[Address, int]) -> None:
        """After the officers signed for it: go on from this store, under a new epoch; `nonces` are
        the lowest that each key may use from now on.
        """
        with self.unit():
            self.add("epoch", epoch, self.clock.now())
            for key, nonce in nonces.items():
                self.add("epoch_nonce", epoch, key, nonce)
            self.receipt({"op": "epoch", "outcome": "opened", "epoch": epoch})
        self._reserve()

    @contextmanager
    def unit(self, *, synced: bool = True, receipts: int = RESERVE_MARGIN) -> Iterator[None]:
        """One atomic write, rolled back on any error; within another unit a savepoint, which lasts
        only if the outer unit does. Raises Refused (journal_unavailable). The mark is renewed first
        where fewer than `receipts` are left of the reserve: more than that it may not append.

        `synced=False` outlives a killed process, and a power cut only from the next synced unit on:
        for what can be made again from entries that are synced.
        """
        nested = self._open
        if not nested:
            self._renew(receipts)
        before = self.size, self.head
        try:
            self._enter_unit(synced)
            yield
            check(self.size <= (self._reserved_to or self.size), "a unit stays in the reserve")
            self._connection.execute("RELEASE part" if nested else "COMMIT")
        except BaseException as error:
            self._roll_back(before, nested=nested)
            if isinstance(error, sqlite3.OperationalError):
                words = "the signer's own journal cannot be written"
                raise Refused("journal_unavailable", words, retryable=True) from error
            raise
        finally:
            self._open = nested
            if not (nested or synced):
                self._connection.execute("PRAGMA synchronous = FULL")

    def receipt(self, facts: dict[str, Any]) -> None:
        """Append a receipt to the chain; only inside a unit. Never a secret among `facts`."""
        check(self._connection.in_transaction, "a receipt is written inside a unit")
        body = canonical_bytes({"seq": self.size + 1, "at": self.clock.now(), **facts})
        digest = hashlib.sha256(self.head + body).digest()
        self.add("receipt", self.size + 1, body.decode(), self.head, digest)
        self.size, self.head = self.size + 1, digest

    def add(self, table: str, *values: Any) -> int:
        """Insert one row; a row that exists already raises sqlite3.IntegrityError. Its number,
        where the table counts its rows.
        """
        if table in SELDOM_WRITTEN:
            self._remembered.clear()
        places = ", ".join("?" * len(values))
        query = f"INSERT INTO {table} VALUES ({places})"  # noqa: S608  (names of ours)
        return self._connection.execute(query, values).lastrowid or 0

    def one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        """First row of a query, or None."""
        row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return row

    def all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._connection.execute(query, values).fetchall()

    def remembered(self, name: tuple[Any, ...], read: Callable[[], T]) -> T:
        """What `read` finds in tables of SELDOM_WRITTEN, not read again until one of them changes
        or a unit is rolled back: nobody else writes this store. `name` tells it from everything
        else that is remembered. Of other tables only what `remember` keeps up with them.
        """
        found = self._remembered.get(name, self)
        if found is self:
            found = read()
            self.remember(name, found)
        return found  # type: ignore[no-any-return]  # `name` was remembered with this very type

    def remember(self, name: tuple[Any, ...], value: object) -> None:
        """What `remembered` would read from now on: its writer has just added it."""
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[name] = value

    @property
    def epoch(self) -> int:
        """The store's epoch; intents bind to it."""
        return self.epoch_began()[0]

    def epoch_began(self) -> tuple[int, int]:
        """The store's epoch, and when it began (Unix seconds)."""

        def read() -> tuple[int, int]:
            row = self.one("SELECT epoch, at FROM epoch ORDER BY epoch DESC LIMIT 1")
            return (FIRST_EPOCH, 0) if row is None else (int(row[0]), int(row[1]))

        return self.remembered(("epoch",), read)

    def idle(self, quiet: bool) -> None:
        """What would keep somebody waiting later, done while nobody waits: `quiet`, or only in a
        gap between two requests.
        """
        with suppress(Refused):  # the unit that needs it will say so
            self._renew(IDLE_MARGIN if quiet else GAP_MARGIN)

    def close(self) -> None:
        """Mark the exact end, then let go of the store."""
        if self._reserved_to:
            self._reserve()
        self._connection.close()
        self._lock.close()

    def verify_chain(self) -> None:
        """Recompute every receipt's hash; raises Unfit at the first that differs."""
        head = GENESIS_HASH
        for seq, body, previous, stored in self._connection.execute(
            "SELECT seq, body, previous, hash FROM receipt ORDER BY seq"
        ):
            digest = hashlib.sha256(head + body.encode()).digest()
            if previous != head or stored != digest:
                raise Unfit(f"receipt {seq} does not fit the chain: the journal was changed")
            head = digest

    def _enter_unit(self, synced: bool) -> None:
        if not self._open:
            if not synced:
                self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("BEGIN IMMEDIATE")
            self._open = True
        elif self._connection.in_transaction:
            self._connection.execute("SAVEPOINT part")
        else:
            raise sqlite3.OperationalError("SQLite has rolled the outer unit back")

    def _roll_back(self, before: tuple[int, bytes], *, nested: bool) -> None:
        """SQLite may have rolled everything back by itself, when the disk is full."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK TO part" if nested else "ROLLBACK")
            if nested:
                self._connection.execute("RELEASE part")
        self.size, self.head = before
        self._remembered.clear()

    def _last_receipt(self) -> tuple[int, bytes]:
        row = self.one("SELECT seq, hash FROM receipt ORDER BY seq DESC LIMIT 1")
        return (0, GENESIS_HASH) if row is None else (int(row[0]), bytes(row[1]))

    def _check_clock(self) -> None:
        """Limits, cooling and expiry stand on the clock: it may not be behind the own receipts."""
        row = self.one("SELECT body FROM receipt ORDER BY seq DESC LIMIT 1")
        if row is not None and parse_json(row[0].encode())["at"] > self.clock.now():
            raise Unfit("the clock is behind the journal's last receipt: set the machine's clock")

    def _compare(self, mark: Mark) -> None:
        row = self.one("SELECT hash FROM receipt WHERE seq = ?", mark.position)
        known = row is not None and bytes(row[0]).hex() == mark.head
        if not known or self.size > mark.reserved_to or self.epoch < mark.epoch:
            raise Unfit(
                f"the journal does not match the token's mark (receipt {mark.position} of epoch "
                f"{mark.epoch}): an older or foreign copy was put in its place. Bring back the "
                "newest copy, or let the officers open a new epoch ('ceremony epoch')"
            )

    def _renew(self, margin: int) -> None:
        if self._reserved_to and self.size > self._reserved_to - margin:
            self._reserve()

    def _reserve(self) -> None:
        """The receipt first, then the mark: a crash between leaves the store ahead, not behind.
        What was reserved before holds if there is neither.
        """
        reserved_to, self._reserved_to = self._reserved_to, 0
        try:
            with self.unit():
                self.receipt({"op": "mark", "outcome": "reserved", "receipts": MARK_BLOCK})
            ahead = self.size + MARK_BLOCK
            self._marks.write(Mark(self.epoch, self.size, self.head.hex(), ahead))
            reserved_to = ahead
        finally:
            self._reserved_to = reserved_to


class TokenMarks:
    """The mark as a private data object of the signer token."""

    LABEL = "strongroom mark"

    def __init__(self, token: Any) -> None:
        self._token = token

    def read(self) -> Mark | None:
        """The highest mark in the token."""
        try:
            marks = [Mark(**parse_json(value)) for value in self._token.data(self.LABEL)]
        except (ProtocolError, TypeError):
            raise Unfit("the mark in the token is damaged") from None
        return max(marks, default=None)

    def write(self, mark: Mark) -> None:
        """New object first, then the old ones go."""
        self._token.put_data(self.LABEL, canonical_bytes(asdict(mark)))


def current_epoch(path: Path) -> int:
    """The epoch of a journal that may not exist yet; reads only."""
    if not path.exists():
        return FIRST_EPOCH
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT max(epoch) FROM epoch").fetchone()
        return int(row[0] or FIRST_EPOCH)
    except sqlite3.OperationalError:
        return FIRST_EPOCH
    finally:
        connection.close()

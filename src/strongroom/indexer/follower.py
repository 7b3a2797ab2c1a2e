"""One chain, step by step: who leads, where the node stands, what comes next.

A step does one thing: take over, take a fork back, finalize, scan late, read on. Everything it
knows besides the database it can forget: after any crash the cursor says where to go on.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from strongroom.chain.errors import WrongChain
from strongroom.chain.headers import Header
from strongroom.db.database import Database
from strongroom.indexer import memory, repository
from strongroom.indexer.balances import BalanceReader
from strongroom.indexer.booking import ACTOR, BlockBooks
from strongroom.indexer.errors import (
    CursorMoved,
    FinalityWentBack,
    ForkChanged,
    WatchedChanged,
)
from strongroom.indexer.fetch_thread import RANGE_BLOCKS, Ahead, FetchThread
from strongroom.indexer.rescan import Rescanner
from strongroom.indexer.types import Cursor, IndexedBlock, Tip
from strongroom.kit.log import logger
from strongroom.kit.metrics import counter, gauge
from strongroom.wallets import service as wallets
from strongroom.wallets.types import AddressKind

MATCHES_MAX: Final = 5
"""How often one block is matched again because addresses were registered meanwhile."""


class Leadership(Protocol):
    """Says under which epoch this process leads, or None."""

    def epoch(self) -> int | None:
        """Cheap; asked at each step."""
        ...


class Follower:
    """Follows one chain into the database."""

    def __init__(
        self,
        database: Database,
        books: BlockBooks,
        thread: FetchThread,
        leadership: Leadership,
        balances: BalanceReader,
        *,
        chain_id: int,
        start_height: int,
    ) -> None:
        """`start_height`: the block above which a chain seen for the first time is read."""
        self._database = database
        self._books = books
        self._thread = thread
        self._ahead = Ahead(thread, chain_id)
        self._leadership = leadership
        self._balances = balances
        self._rescans = Rescanner(database, books, chain_id)
        self._chain_id = chain_id
        self._start_height = start_height
        self._epoch: int | None = None
        self._cursor: Cursor | None = None
        self._watched: dict[bytes, AddressKind] = {}
        self._tip: Tip | None = None
        self._chain_checked = False
        self._newest_first = False

    @property
    def cursor(self) -> Cursor | None:
        """Where this process stands, while it leads."""
        return self._cursor

    @property
    def head(self) -> int:
        """Height of the newest block that a node was seen to have; 0 while none is known."""
        return 0 if self._tip is None else self._tip.latest.height

    def step(self) -> bool:
        """Do the next thing. True when there is more to do at once."""
        epoch = self._leadership.epoch()
        if epoch is None:
            self._forget()
            return False
        try:
            if self._cursor is None or epoch != self._epoch:
                self._take_over(epoch)
                return True
            return self._advance(self._cursor)
        except (CursorMoved, ForkChanged):
            self._forget()
            raise
        except Exception:
            self._ahead.clear()
            self._tip = None
            raise

    def _advance(self, cursor: Cursor) -> bool:
        if cursor.halted_reason is not None:
            self._cursor = self._books.open(cursor.epoch)  # people may have let it go on
            return False
        tip = self._read_tip(cursor)
        self._report(cursor, tip)
        if self._on_a_dead_fork(cursor, tip.latest):
            return self._unwind(cursor)
        self._check_finality(cursor, tip)
        if self._scan_late(cursor):
            return True
        # The newest block comes first: whoever waits, waits for it. Finality is the next step's,
        # even where blocks come as fast as steps.
        self._newest_first = not self._newest_first and tip.latest.height == cursor.height + 1
        if self._newest_first:
            return self._read_on(cursor, tip)
        if self._finalize(cursor, tip):
            return True
        if tip.latest.height > cursor.height:
            return self._read_on(cursor, tip)
        return self._take_up(cursor) or self._rescan(cursor) or self._read_balances(cursor)

    def _rescan(self, cursor: Cursor) -> bool:
        self._cursor = self._rescans.step(cursor, self._watched, self._read_again)
        return self._cursor is not cursor

    def _read_again(
        self, first: int, last: int, watched: Mapping[bytes, AddressKind]
    ) -> Sequence[IndexedBlock]:
        blocks = self._thread.read(self._thread.fetcher.blocks(first, last))
        return self._thread.read(self._ahead.reader.index(blocks, watched))

    def _read_balances(self, cursor: Cursor) -> bool:
        self._cursor = self._balances.read(cursor)
        return self._cursor is not cursor

    def _take_over(self, epoch: int) -> None:
        self._forget()
        if not self._chain_checked:
            found = self._thread.read(self._thread.fetcher.chain_id())
            if found != self._chain_id:
                raise WrongChain(
                    f"The node serves chain {found}, this indexer is set to {self._chain_id}. "
                    "Correct STRONGROOM_RPC_URLS or STRONGROOM_CHAIN_ID."
                )
            self._chain_checked = True
        cursor = self._books.open(epoch)
        if cursor is None:
            reading = self._thread.fetcher.header_at(self._start_height)
            cursor = self._books.start(self._thread.read(reading), epoch)
        self._load_watched()
        self._epoch, self._cursor = epoch, cursor

    def _read_tip(self, cursor: Cursor) -> Tip:
        """Finality only moves with the head, so an unchanged head is asked for alone; while more
        blocks are known to come, nothing is asked: each names its parent.
        """
        if self._tip is not None and cursor.height + 1 < self._tip.latest.height:
            return self._tip
        if self._tip is not None:
            latest = self._thread.read(self._thread.fetcher.latest())
            if latest.hash == self._tip.latest.hash:
                return self._tip
            if latest.parent_hash == cursor.block_hash:  # read it while finality is asked for
                self._ahead.begin(latest.height, self._watched)
        self._tip = self._thread.read(self._thread.fetcher.tip())
        return self._tip

    def _check_finality(self, cursor: Cursor, tip: Tip) -> None:
        """What is final stays so: a node that has our head and calls less final is not asked on.
        Counted by depth, finality follows the head, which a reorganisation may make lower.
        """
        lags = tip.latest.height < cursor.height
        if self._thread.fetcher.finality_depth or lags:
            return
        if tip.finalized.height >= cursor.finalized_height:
            return
        self._thread.turn_away("finality")
        raise FinalityWentBack(
            f"The node calls block {tip.finalized.height} the newest final one; block "
            f"{cursor.finalized_height} was. It is not believed; another one is asked."
        )

    def _on_a_dead_fork(self, cursor: Cursor, latest: Header) -> bool:
        """Whether the node stands on a chain that has another block where we have one.

        A head below ours with the hash we know is a node that lags: it is waited for.
        """
        if latest.height > cursor.height:
            return False
        if latest.height == cursor.height:
            return latest.hash != cursor.block_hash
        with self._database.read(None, ACTOR) as uow:
            own = repository.canonical(uow, self._chain_id, latest.height)
        return own is not None and own.block_hash != latest.hash

    def _unwind(self, cursor: Cursor) -> bool:
        self._ahead.clear()
        self._tip = None
        if cursor.height <= max(cursor.finalized_height, cursor.start_height):
            reason = (
                f"The node shows another block {cursor.height} than the final one known here. "
                "Nothing is booked any more. Compare nodes; see the indexer's README."
            )
            logger(__name__).error("indexer.halted", chain_id=self._chain_id, reason=reason)
            self._count("halts", "Reorganisations below finality.")
            self._cursor = self._books.halt(cursor, reason)
            return False
        self._cursor = self._books.unwind(cursor)
        self._count("orphaned", "Blocks that left the chain.")
        logger(__name__).warning(
            "indexer.block_orphaned", height=cursor.height, block_hash=cursor.block_hash.hex()
        )
        return True

    def _finalize(self, cursor: Cursor, tip: Tip) -> bool:
        if min(tip.finalized.height, cursor.height) <= cursor.finalized_height:
            return False
        finalized = tip.finalized
        if finalized.height > cursor.height:
            reading = self._thread.fetcher.header_at(cursor.height)
            finalized = self._thread.read(reading)
        try:
            self._cursor = self._books.finalize(cursor, finalized, tip.safe_height)
        except ForkChanged:
            # The node calls another block final than the one we have there: ours is a dead fork.
            return self._unwind(cursor)
        return True

    def _read_on(self, cursor: Cursor, tip: Tip) -> bool:
        span = self._ahead.take(cursor.height + 1, tip, self._watched)
        if span.blocks[0].header.parent_hash != cursor.block_hash:
            return self._unwind(cursor)
        for _ in range(MATCHES_MAX):
            try:
                self._cursor = self._books.extend(cursor, span, self._watched)
            except WatchedChanged:
                self._load_pending()
                span = self._ahead.match(span, self._watched)
                continue
            self._count("blocks", "Blocks read.", len(span.blocks))
            ours = sum(len(block.view.transfers) for block in span.indexed)
            self._count("transfers", "Transfers that concern us.", ours)
            return True
        raise WatchedChanged("Addresses are registered faster than blocks can be matched.")

    def _scan_late(self, cursor: Cursor) -> bool:
        """Read earlier blocks again for an address that was registered after them."""
        with self._database.read(None, ACTOR) as uow:
            scans = wallets.late_scans(uow, self._chain_id, limit=1)
        for scan in scans:
            first = max(scan.first_height, cursor.start_height + 1)
            last = min(scan.last_height, first + RANGE_BLOCKS - 1)
            if first > last:
                self._cursor = self._books.add_late(
                    cursor, scan.watched.address, [], scan.last_height
                )
                return True
            blocks = self._thread.read(self._thread.fetcher.blocks(first, last))
            watched = {scan.watched.address: scan.watched.kind}
            indexed = self._thread.read(self._ahead.reader.index(blocks, watched))
            touched = [block for block in indexed if block.touched]
            self._cursor = self._books.add_late(cursor, scan.watched.address, touched, last)
        return bool(scans)

    def _take_up(self, cursor: Cursor) -> bool:
        with self._database.read(None, ACTOR) as uow:
            waiting = wallets.pending(uow, self._chain_id)
        if waiting:
            self._load_pending()
            self._cursor = self._books.take_up(cursor, self._watched)
        return bool(waiting)

    def _load_watched(self) -> None:
        with self._database.read(None, ACTOR) as uow:
            self._watched = wallets.watched_kinds(uow, self._chain_id)
        memory.settle()

    def _load_pending(self) -> None:
        """Nothing is ever watched no more, so what is new is all that is missing."""
        with self._database.read(None, ACTOR) as uow:
            self._watched |= wallets.watched_kinds(uow, self._chain_id, pending=True)

    def _forget(self) -> None:
        self._cursor = None
        self._tip = None
        self._ahead.clear()

    def _count(self, what: str, help_text: str, times: int = 1) -> None:
        counted = counter(f"strongroom_indexer_{what}_total", help_text, ("chain",))
        counted.labels(str(self._chain_id)).inc(times)

    def _report(self, cursor: Cursor, tip: Tip) -> None:
        chain = (str(self._chain_id),)
        for name, help_text, value in (
            ("head", "Height of the node's newest block.", tip.latest.height),
            ("height", "Height of the newest block read.", cursor.height),
            ("finalized", "Height of the newest final block booked.", cursor.finalized_height),
            ("lag_blocks", "Blocks still to be read.", tip.latest.height - cursor.height),
            ("watched", "Addresses looked for.", len(self._watched)),
        ):
            gauge(f"strongroom_indexer_{name}", help_text, ("chain",)).labels(*chain).set(value)

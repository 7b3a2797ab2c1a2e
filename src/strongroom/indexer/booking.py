"""Block, transfers, postings and cursor in one transaction: extend, unwind, confirm, finalize.

Each method is one unit of work and gives the new cursor. The cursor's compare-and-set comes first:
it locks the row, so of two indexers one waits here and then finds itself refused.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from typing import Final, Literal
from uuid import UUID

from strongroom.auditlog import service as auditlog
from strongroom.chain.headers import Header
from strongroom.chain.ports import BlockSink, BlockView, Reached, SeenSink
from strongroom.db import outbox
from strongroom.db.actor import Actor, system
from strongroom.db.database import Database, UnitOfWork
from strongroom.indexer import repository
from strongroom.indexer.cursor import create_cursor, move_cursor, take_over
from strongroom.indexer.errors import ForkChanged, WatchedChanged
from strongroom.indexer.posting import Booking, book
from strongroom.indexer.repository import BlockRow
from strongroom.indexer.types import Cursor, IndexedBlock, Span
from strongroom.kit.check import check
from strongroom.kit.crash import crash_point
from strongroom.kit.ids import HOUSE
from strongroom.ledger.types import Posting
from strongroom.wallets import service as wallets

ACTOR: Final[Actor] = system("indexer")
HALTED_TOPIC: Final = "indexer.halted"
TOUCHED_MAX: Final = 200
"""Touched blocks confirmed or finalized in one unit: bounds its locks and its postings."""


class BlockBooks:
    """Writes one chain's blocks into the database and its sinks."""

    def __init__(
        self,
        database: Database,
        chain_id: int,
        *,
        confirmations: int,
        sinks: Sequence[BlockSink[Posting]],
        seen_sinks: Sequence[SeenSink] = (),
    ) -> None:
        """`confirmations`: 1 = booked as soon as it is in a block."""
        check(confirmations >= 1, "a block needs at least one confirmation, its own")
        self._database = database
        self._chain_id = chain_id
        self._confirmations = confirmations
        self._sinks = tuple(sinks)
        self._seen_sinks = tuple(seen_sinks)

    def open(self, epoch: int) -> Cursor | None:
        """Take the chain over as the leader of `epoch`; None before the first start."""
        with self._database.unit(None, ACTOR) as uow:
            return take_over(uow, self._chain_id, epoch)

    def start(self, header: Header, epoch: int) -> Cursor:
        """Begin a chain above this block."""
        with self._database.unit(None, ACTOR) as uow:
            return create_cursor(uow, self._chain_id, header, epoch)

    def extend(self, cursor: Cursor, span: Span, watched: Container[bytes]) -> Cursor:
        """Append parent-linked blocks. Of final ones only those that touch us and the last are
        stored; they are booked and closed at once where nothing before them still waits.

        `watched` is what they were matched with. Raises WatchedChanged, CursorMoved.
        """
        last = span.indexed[-1].header
        closes = span.final and cursor.height == cursor.finalized_height
        up_to, moves = self._reaches(cursor, last.height, closes=closes)
        with self._database.unit(None, ACTOR) as uow:
            moved = move_cursor(uow, cursor, height=last.height, block_hash=last.hash, **moves)
            self._take_up(uow, cursor.height, watched)
            crash_point("indexer.block.before")
            kept = [b for b in span.indexed if b.touched or not span.final or b.header is last]
            deep = [block for block in kept if block.header.height <= up_to]
            views = self._store(uow, deep, "finalized" if closes else "confirmed")
            shallow = self._store(uow, kept[len(deep) :], "seen")
            bookings = self._confirmed(uow, views)
            if closes:
                bookings += self._finalized(uow, views)
            if not moves:
                fresh = {view.height: view for view in shallow}
                deep_enough = last.height - self._confirmations + 1
                moved, bookings = self._confirm(uow, moved, deep_enough, fresh)
            book(uow, bookings)
        crash_point("indexer.block.after")
        return moved

    def _reaches(self, cursor: Cursor, height: int, *, closes: bool) -> tuple[int, dict[str, int]]:
        """Up to where new blocks are written in their end state, with the cursor's members that
        this moves: none where blocks before them still wait to be booked.
        """
        if closes:
            safe = max(cursor.safe_height, height)
            ends = {"confirmed_height": height, "safe_height": safe, "finalized_height": height}
            return height, ends
        if cursor.confirmed_height < cursor.height:
            return cursor.height, {}
        up_to = max(height - self._confirmations + 1, cursor.confirmed_height)
        return up_to, {"confirmed_height": up_to}

    def _store(
        self, uow: UnitOfWork, blocks: Sequence[IndexedBlock], reached: Reached
    ) -> list[BlockView]:
        """Write blocks in the state that they reach; gives the views of those that touch us."""
        if not blocks:
            return []
        rows = repository.insert_blocks(uow, self._chain_id, blocks, reached)
        repository.insert_contents(uow, list(zip(rows, blocks, strict=True)))
        views = [
            replace(block.view, sighting=row.sighting)
            for row, block in zip(rows, blocks, strict=True)
            if block.touched
        ]
        self._see(uow, views, reached)
        return views

    def unwind(self, cursor: Cursor) -> Cursor:
        """Take the newest block back: orphaned, its postings reversed, nothing deleted."""
        with self._database.unit(None, ACTOR) as uow:
            row = repository.canonical(uow, self._chain_id, cursor.height)
            if row is None or row.block_hash != cursor.block_hash:
                raise ForkChanged(f"Block {cursor.height} of the cursor is not stored.")
            booked = cursor.confirmed_height >= cursor.height
            # Blocks between two stored ones were final when they were read, and touch nothing.
            below = repository.canonical_below(uow, self._chain_id, cursor.height)
            height, block_hash = cursor.height - 1, row.parent_hash
            if below is not None and below.height < height:
                height, block_hash = below.height, below.block_hash
            moved = move_cursor(
                uow,
                cursor,
                height=height,
                block_hash=block_hash,
                confirmed_height=min(cursor.confirmed_height, height),
                safe_height=min(cursor.safe_height, height),
            )
            repository.set_orphaned(uow, row)
            if row.touched:
                (view,) = repository.load_views(uow, self._chain_id, [row])
                if booked:
                    book(uow, [self._orphaned(uow, view)])
                else:
                    for seen_sink in self._seen_sinks:
                        seen_sink.on_unseen(uow, view)
        crash_point("indexer.unwind.after")
        return moved

    def finalize(self, cursor: Cursor, finalized: Header, safe_height: int) -> Cursor:
        """Book and close what the node calls final, some touched blocks a unit.

        Raises ForkChanged when the final block is not ours: then a reorganisation is under way.
        """
        with self._database.unit(None, ACTOR) as uow:
            own = repository.canonical(uow, self._chain_id, finalized.height)
            if own is not None and own.block_hash != finalized.hash:
                raise ForkChanged(f"The node's final block {finalized.height} is not ours.")
            up_to = min(finalized.height, cursor.height)
            confirmed, bookings = self._confirm(uow, move_cursor(uow, cursor), up_to, {})
            up_to = min(up_to, confirmed.confirmed_height)
            rows = repository.touched_between(
                uow, self._chain_id, cursor.finalized_height, up_to, TOUCHED_MAX
            )
            if len(rows) == TOUCHED_MAX:
                up_to = rows[-1].height
            views = repository.load_views(uow, self._chain_id, rows) if rows else []
            bookings += self._finalized(uow, views)
            repository.set_finalized(uow, self._chain_id, cursor.finalized_height, up_to)
            safe = max(confirmed.safe_height, min(safe_height, confirmed.confirmed_height), up_to)
            repository.set_safe(uow, self._chain_id, cursor.safe_height, safe)
            moved = move_cursor(uow, confirmed, finalized_height=up_to, safe_height=safe)
            book(uow, bookings)
        crash_point("indexer.finalize.after")
        return moved

    def halt(self, cursor: Cursor, reason: str) -> Cursor:
        """Stop booking until people have looked, and have them told."""
        with self._database.unit(None, ACTOR) as uow:
            moved = move_cursor(uow, cursor, halted_reason=reason)
            key = f"{self._chain_id}:{cursor.block_hash.hex()}:{uow.now.isoformat()}"
            payload = {"chain_id": self._chain_id, "height": cursor.height, "reason": reason}
            outbox.enqueue(uow, HALTED_TOPIC, key, payload, organisation_id=HOUSE)
            subject = f"chain:{self._chain_id}"
            auditlog.append(uow, "indexer.halted", subject, payload, organisation_id=HOUSE)
        return moved

    def take_up(self, cursor: Cursor, watched: Container[bytes]) -> Cursor:
        """Begin to watch what was registered, when no block comes by which it would happen."""
        with self._database.unit(None, ACTOR) as uow:
            moved = move_cursor(uow, cursor)
            self._take_up(uow, cursor.height, watched)
        return moved

    def add_late(
        self, cursor: Cursor, address: bytes, blocks: Sequence[IndexedBlock], up_to: int
    ) -> Cursor:
        """Add to earlier blocks what touches an address that was registered after them."""
        with self._database.unit(None, ACTOR) as uow:
            moved = move_cursor(uow, cursor)
            bookings = self._add_late_blocks(uow, moved, blocks)
            wallets.record_scan(uow, self._chain_id, address, up_to)
            book(uow, bookings)
        return moved

    def add_again(
        self,
        cursor: Cursor,
        blocks: Sequence[IndexedBlock],
        record: Callable[[UnitOfWork, int], None],
    ) -> Cursor:
        """Add to final blocks what was missed in them; `record` is told how many rows were new.

        Raises ForkChanged when a block is not the final one known here.
        """
        with self._database.unit(None, ACTOR) as uow:
            moved = move_cursor(uow, cursor)
            bookings = self._add_late_blocks(uow, moved, blocks)
            added = {id(b.block): b.block for b in bookings}.values()
            record(uow, sum(len(view.transfers) + len(view.transactions) for view in added))
            book(uow, bookings)
        crash_point("indexer.again.after")
        return moved

    def _take_up(self, uow: UnitOfWork, height: int, watched: Container[bytes]) -> None:
        waiting = wallets.pending(uow, self._chain_id)
        if any(address not in watched for address in waiting):
            raise WatchedChanged("An address was registered meanwhile; the block is matched again.")
        if waiting:
            wallets.activate(uow, self._chain_id, waiting, height)

    def _see(self, uow: UnitOfWork, views: Sequence[BlockView], reached: Reached) -> None:
        for sink in self._seen_sinks if views else ():
            sink.on_seen(uow, views, reached)

    def _confirm(
        self, uow: UnitOfWork, cursor: Cursor, up_to: int, fresh: dict[int, BlockView]
    ) -> tuple[Cursor, list[Booking]]:
        """What the blocks up to a height bring that are not booked yet; TOUCHED_MAX at most."""
        above = cursor.confirmed_height
        if up_to <= above:
            return cursor, []
        rows = repository.touched_between(uow, self._chain_id, above, up_to, TOUCHED_MAX)
        if len(rows) == TOUCHED_MAX:
            up_to = rows[-1].height
        stored = [row for row in rows if row.height not in fresh]
        loaded = repository.load_views(uow, self._chain_id, stored) if stored else []
        views = fresh | {view.height: view for view in loaded}
        bookings = self._confirmed(uow, [views[row.height] for row in rows])
        repository.set_confirmed(uow, self._chain_id, above, up_to)
        return move_cursor(uow, cursor, confirmed_height=up_to), bookings

    def _confirmed(self, uow: UnitOfWork, views: Sequence[BlockView]) -> list[Booking]:
        said = [sink.on_confirmed(uow, views) for sink in self._sinks] if views else []
        return _bookings("confirmed", views, said)

    def _finalized(self, uow: UnitOfWork, views: Sequence[BlockView]) -> list[Booking]:
        said = [sink.on_finalized(uow, views) for sink in self._sinks] if views else []
        return _bookings("finalized", views, said)

    def _orphaned(self, uow: UnitOfWork, view: BlockView) -> Booking:
        postings = [p for sink in self._sinks for p in sink.on_orphaned(uow, view)]
        return Booking("orphaned", view, tuple(postings))

    def _add_late_blocks(
        self, uow: UnitOfWork, cursor: Cursor, blocks: Sequence[IndexedBlock]
    ) -> list[Booking]:
        rows = [self._late_row(uow, cursor, block) for block in blocks]
        moved, seen = repository.insert_contents(uow, list(zip(rows, blocks, strict=True)))
        found: dict[Reached, list[BlockView]] = {"seen": [], "confirmed": [], "finalized": []}
        for row, block in zip(rows, blocks, strict=True):
            if not row.touched:
                repository.set_touched(uow, row)
            view = _new_in(block.view, row, moved, seen)
            if view.transfers or view.transactions:  # else all of it was known
                found[_level(cursor, view.height)].append(view)
        for reached, views in found.items():
            self._see(uow, views, reached)
        bookings = self._confirmed(uow, found["finalized"] + found["confirmed"])
        return bookings + self._finalized(uow, found["finalized"])

    def _late_row(self, uow: UnitOfWork, cursor: Cursor, block: IndexedBlock) -> BlockRow:
        height = block.header.height
        row = repository.canonical(uow, self._chain_id, height)
        if row is None:
            if height > cursor.finalized_height:
                raise ForkChanged(f"Block {height} is not stored here yet; it is read again.")
            (row,) = repository.insert_blocks(uow, self._chain_id, [block], "finalized")
        if row.block_hash != block.header.hash:
            raise ForkChanged(f"Block {height} was read from another fork; it is read again.")
        return row


def _bookings(
    event: Literal["confirmed", "finalized"],
    views: Sequence[BlockView],
    said: Sequence[Sequence[Sequence[Posting]]],
) -> list[Booking]:
    """Block after block, each with every sink's postings: what one brought, a later one spends."""
    return [
        Booking(event, view, tuple(posting for of_sink in own for posting in of_sink))
        for view, *own in zip(views, *said, strict=True)
    ]


def _new_in(
    view: BlockView,
    row: BlockRow,
    moved: Container[tuple[UUID, bytes, int]],
    seen: Container[tuple[UUID, int]],
) -> BlockView:
    """What of a stored block was not known before."""
    return replace(
        view,
        sighting=row.sighting,
        transfers=tuple(t for t in view.transfers if (row.id, t.tx_hash, t.position) in moved),
        transactions=tuple(t for t in view.transactions if (row.id, t.index) in seen),
    )


def _level(cursor: Cursor, height: int) -> Reached:
    """How far a block that is added to has come."""
    if height <= cursor.finalized_height:
        return "finalized"
    return "confirmed" if height <= cursor.confirmed_height else "seen"

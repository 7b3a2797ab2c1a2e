"""Final blocks that people want read again: asked for by a row, read by the chain's own follower.

What is found and how far it came are one unit, so a killed rescan goes on where it was and books
nothing twice. What is known already is left as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from strongroom.auditlog import service as auditlog
from strongroom.db.database import Database, UnitOfWork
from strongroom.indexer.booking import ACTOR, BlockBooks
from strongroom.indexer.cursor import move_cursor, read_cursor
from strongroom.indexer.errors import ForkChanged
from strongroom.indexer.types import Cursor, IndexedBlock
from strongroom.kit.errors import Invalid, NotFound
from strongroom.kit.ids import HOUSE
from strongroom.kit.log import logger
from strongroom.wallets import service as wallets
from strongroom.wallets.types import AddressKind

BLOCKS: Final = 50
"""Read again in one step; new blocks have their turn after it."""
_COLUMNS: Final = (
    "id, chain_id, from_height, to_height, address, done_height, found, state, reason,"
    " requested_at, updated_at"
)

ReadAgain = Callable[[int, int, Mapping[bytes, AddressKind]], Sequence[IndexedBlock]]
"""Reads the blocks from one height to another and matches them with these addresses."""


class RescanInvalid(Invalid):
    """These blocks, or this address, can't be read again."""

    code = "indexer.rescan_invalid"


class RescanUnknown(NotFound):
    """There is no such request."""

    code = "indexer.rescan_unknown"


@dataclass(frozen=True, slots=True)
class Rescan:
    """A request. `done_height` = from_height - 1 before its first step; `found`: what was new."""

    id: UUID
    chain_id: int
    from_height: int
    to_height: int
    address: bytes | None
    done_height: int
    found: int
    state: str
    reason: str | None
    requested_at: datetime
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether the indexer still works on it."""
        return self.state in ("waiting", "running")


def request(
    uow: UnitOfWork, chain_id: int, first: int, last: int, address: bytes | None = None
) -> Rescan:
    """Have blocks read again, for one watched address or for all. Raises RescanInvalid."""
    cursor = read_cursor(uow, chain_id)
    if cursor is None:
        raise RescanInvalid(f"Chain {chain_id} was never indexed: start `strongroom indexer`.")
    if not cursor.start_height < first <= last <= cursor.height:
        raise RescanInvalid(
            f"Blocks {first} to {last} can't be read again: chain {chain_id} is followed from "
            f"block {cursor.start_height + 1} on and was read up to {cursor.height}."
        )
    if address is not None and not wallets.watched_among(uow, chain_id, [address]):
        raise RescanInvalid(f"0x{address.hex()} is not watched on chain {chain_id}.")
    row = (uow.new_id(), chain_id, first, last, address, first - 1, uow.now, uow.now)
    uow.execute(
        "INSERT INTO chain_rescan (id, chain_id, from_height, to_height, address, done_height,"
        " state, requested_at, updated_at) VALUES (%s, %s, %s, %s, %s, %s, 'waiting', %s, %s)",
        row,
    )
    named = None if address is None else "0x" + address.hex()
    body = {"chain_id": chain_id, "from": first, "to": last, "address": named}
    auditlog.append(uow, "indexer.rescan_asked", str(row[0]), body, organisation_id=HOUSE)
    return get(uow, row[0])


def get(uow: UnitOfWork, rescan_id: UUID) -> Rescan:
    """One request as it stands. Raises RescanUnknown."""
    found = uow.execute(
        f"SELECT {_COLUMNS} FROM chain_rescan WHERE id = %s",  # noqa: S608 - own constant
        (rescan_id,),
    ).fetchone()
    if found is None:
        raise RescanUnknown(f"There is no rescan {rescan_id}.")
    return Rescan(*found)


def newest(uow: UnitOfWork, chain_id: int, limit: int) -> list[Rescan]:
    """The last requests of a chain, newest first."""
    found = uow.execute(
        f"SELECT {_COLUMNS} FROM chain_rescan"  # noqa: S608 - own constant
        " WHERE chain_id = %s ORDER BY id DESC LIMIT %s",
        (chain_id, limit),
    )
    return [Rescan(*row) for row in found]


class Rescanner:
    """Works the requests off, oldest first, while there is nothing newer to read."""

    def __init__(self, database: Database, books: BlockBooks, chain_id: int) -> None:
        """`books`: the follower's own."""
        self._database = database
        self._books = books
        self._chain_id = chain_id

    def step(self, cursor: Cursor, watched: Mapping[bytes, AddressKind], read: ReadAgain) -> Cursor:
        """The next blocks of the oldest request; gives the cursor itself when there is none.

        Only final blocks: what is not final yet is waited for.
        """
        with self._database.read(None, ACTOR) as uow:
            asked = self._oldest(uow)
        if asked is None or asked.done_height >= cursor.finalized_height:
            return cursor
        first = asked.done_height + 1
        last = min(asked.to_height, first + BLOCKS - 1, cursor.finalized_height)
        chosen = watched
        if asked.address is not None:
            chosen = {at: kind for at, kind in watched.items() if at == asked.address}
        touched = [block for block in read(first, last, chosen) if block.touched]
        try:
            return self._books.add_again(
                cursor, touched, lambda uow, found: _advance(uow, asked, last, found)
            )
        except ForkChanged as error:
            return self._refuse(cursor, asked, error.message)

    def _oldest(self, uow: UnitOfWork) -> Rescan | None:
        found = uow.execute(
            f"SELECT {_COLUMNS} FROM chain_rescan"  # noqa: S608 - own constant
            " WHERE chain_id = %s AND state IN ('waiting', 'running') ORDER BY id LIMIT 1",
            (self._chain_id,),
        ).fetchone()
        return None if found is None else Rescan(*found)

    def _refuse(self, cursor: Cursor, asked: Rescan, why: str) -> Cursor:
        """A final block is another one at this node: nothing of it is believed."""
        with self._database.unit(None, ACTOR) as uow:
            moved = move_cursor(uow, cursor)
            uow.execute(
                "UPDATE chain_rescan SET state = 'refused', reason = %s, updated_at = %s"
                " WHERE id = %s",
                (why, uow.now, asked.id),
            )
        logger(__name__).error("indexer.rescan_refused", rescan=str(asked.id), reason=why)
        return moved


def _advance(uow: UnitOfWork, asked: Rescan, done: int, found: int) -> None:
    uow.execute(
        "UPDATE chain_rescan SET done_height = %s, found = found + %s, state = %s, updated_at = %s"
        " WHERE id = %s",
        (done, found, "done" if done == asked.to_height else "running", uow.now, asked.id),
    )

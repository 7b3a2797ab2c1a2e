"""What the chain says that our addresses hold, read by block hash at finalized blocks.

Addresses that moved since the last reading, and a rolling part of all the others, so that what was
missed on one of them shows up too. The comparison itself is the reconciliation's.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from strongroom.chain.headers import Header
from strongroom.db import outbox
from strongroom.db.database import Database, UnitOfWork
from strongroom.indexer import repository
from strongroom.indexer.booking import ACTOR
from strongroom.indexer.cursor import move_cursor
from strongroom.indexer.errors import ForkChanged
from strongroom.indexer.fetch_thread import FetchThread
from strongroom.indexer.types import Cursor
from strongroom.kit.ids import HOUSE
from strongroom.wallets import service as wallets
from strongroom.wallets.types import Holding

TOPIC: Final = "reconciliation.run"
ROLLING_MAX: Final = 1_000
"""Addresses a reading besides those that moved."""
QUIET_SECONDS: Final = 60
"""Without movement balances are read this often."""


class BalanceReader:
    """Reads balances of one chain and asks for their comparison."""

    def __init__(
        self, database: Database, thread: FetchThread, *, chain_id: int, native_asset: str
    ) -> None:
        """`native_asset`: the code of the chain's own coin."""
        self._database = database
        self._thread = thread
        self._chain_id = chain_id
        self._native_asset = native_asset
        self._read_at: datetime | None = None

    def read(self, cursor: Cursor) -> Cursor:
        """Read at the finalized block if it is time; gives the cursor, moved when it was read."""
        height = cursor.finalized_height
        if height <= cursor.balances_height:
            return cursor
        with self._database.read(None, ACTOR) as uow:
            if not self._due(uow, cursor):
                return cursor
            holdings, after = self._holdings(uow, cursor)
            own = repository.canonical(uow, self._chain_id, height)
        header = self._thread.read(self._thread.fetcher.header_at(height))
        if own is not None and own.block_hash != header.hash:
            raise ForkChanged(f"The node shows another block {height} than the final one here.")
        asked = [(holding.address, holding.token) for holding in holdings]
        units = self._thread.read(self._thread.fetcher.balances(header, asked))
        with self._database.unit(None, ACTOR) as uow:
            moved = move_cursor(uow, cursor, balances_height=height, balances_after=after)
            for holding, held in zip(holdings, units, strict=True):
                _insert(uow, self._chain_id, header, holding, held)
            key = f"{self._chain_id}:{height}"
            payload = {"chain_id": self._chain_id, "height": height}
            outbox.enqueue(uow, TOPIC, key, payload, organisation_id=HOUSE)
        self._read_at = self._database.clock.now()
        return moved

    def _due(self, uow: UnitOfWork, cursor: Cursor) -> bool:
        now = self._database.clock.now()
        if self._read_at is None or now >= self._read_at + timedelta(seconds=QUIET_SECONDS):
            return True
        found = uow.execute(
            "SELECT 1 FROM chain_block WHERE chain_id = %s AND touched AND orphaned_at IS NULL"
            " AND height > %s AND height <= %s LIMIT 1",
            (self._chain_id, cursor.balances_height, cursor.finalized_height),
        ).fetchone()
        return found is not None or wallets.begun_between(
            uow, self._chain_id, cursor.balances_height, cursor.finalized_height
        )

    def _holdings(self, uow: UnitOfWork, cursor: Cursor) -> tuple[list[Holding], bytes | None]:
        found = uow.execute(
            "SELECT DISTINCT a FROM (SELECT sender AS a FROM chain_transfer"
            " WHERE chain_id = %(c)s AND height > %(from)s AND height <= %(to)s"
            " UNION SELECT recipient FROM chain_transfer"
            " WHERE chain_id = %(c)s AND height > %(from)s AND height <= %(to)s"
            " UNION SELECT sender FROM chain_receipt AS r JOIN chain_block AS b"
            " ON b.id = r.block_id WHERE b.chain_id = %(c)s AND b.height > %(from)s"
            " AND b.height <= %(to)s) AS moved",
            {
                "c": self._chain_id,
                "from": cursor.balances_height,
                "to": cursor.finalized_height,
            },
        )
        moved = {row[0] for row in found}
        return wallets.holdings(
            uow,
            self._chain_id,
            native_asset=self._native_asset,
            up_to=cursor.finalized_height,
            moved=moved,
            after=cursor.balances_after,
            limit=ROLLING_MAX,
        )


def _insert(uow: UnitOfWork, chain_id: int, header: Header, holding: Holding, units: int) -> None:
    uow.execute(
        "INSERT INTO chain_balance (chain_id, height, block_hash, address, asset, token, units,"
        " read_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            chain_id,
            header.height,
            header.hash,
            holding.address,
            holding.asset,
            holding.token,
            Decimal(units),
            uow.now,
        ),
    )

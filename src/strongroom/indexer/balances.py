"""The balance oracle: what the chain says that our addresses hold, at finalized blocks, by hash.

At each final block the addresses that moved; and a rolling sweep of all of them in a stated period,
so that what was missed on one of them shows up too. What differs from the books is handed to the
reconciliation, with the blocks between which it began.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice, repeat
from typing import Final, NamedTuple
from uuid import UUID

from strongroom.chain.balances import Held
from strongroom.chain.headers import Header
from strongroom.db import arrays, outbox
from strongroom.db.database import Database, UnitOfWork
from strongroom.indexer import repository, sweeping
from strongroom.indexer.bisection import Inspector
from strongroom.indexer.booking import ACTOR
from strongroom.indexer.cursor import move_cursor
from strongroom.indexer.errors import ForkChanged
from strongroom.indexer.fetch_thread import FetchThread
from strongroom.indexer.sweeping import Sweep
from strongroom.indexer.types import Cursor, Range
from strongroom.kit.ids import HOUSE
from strongroom.kit.metrics import counter, gauge
from strongroom.ledger import service as ledger
from strongroom.ledger.types import CustodyTotal
from strongroom.wallets import service as wallets
from strongroom.wallets.types import Alike, Holding, WatchedFrom

TOPIC: Final = "reconciliation.run"
PART_MAX: Final = 10_000
"""Addresses in one part of the sweep: a fraction of a second, then blocks have their turn."""
SWEEP_SECONDS: Final = 600
RANGES_MAX: Final = 16
"""Differences of one reading whose beginning is looked for; of more, something larger is wrong."""

Reading = tuple[Holding, int]
"""What an address holds of one asset, in units."""


class _Read(NamedTuple):
    """What addresses that are alike hold on chain, and what the books have of that asset."""

    alike: Alike
    units: Sequence[int]
    books: Mapping[bytes, int]

    def all(self) -> list[Reading]:
        """Each address's reading."""
        return [
            (Holding(address, self.alike.token, self.alike.asset), units)
            for address, units in zip(self.alike.addresses, self.units, strict=True)
        ]

    def differing(self) -> list[Reading]:
        """Those that the books have otherwise."""
        booked = self.books.get
        return [
            (Holding(address, self.alike.token, self.alike.asset), units)
            for address, units in zip(self.alike.addresses, self.units, strict=True)
            if units != booked(address, 0)
        ]


class BalanceReader:
    """Reads balances of one chain and asks for their comparison."""

    def __init__(
        self,
        database: Database,
        thread: FetchThread,
        *,
        chain_id: int,
        native_asset: str,
        sweep_seconds: int = SWEEP_SECONDS,
    ) -> None:
        """`native_asset`: the code of the chain's own coin; `sweep_seconds`: every address is read
        once in this time, 0 = without a pause.
        """
        self._database = database
        self._thread = thread
        self._chain_id = chain_id
        self._native_asset = native_asset
        self._sweep_seconds = sweep_seconds
        self._inspector = Inspector(database, thread, chain_id)
        self._sweep: Sweep | None = None
        self._total = 0

    @property
    def sweep(self) -> Sweep | None:
        """Where the sweep stands, while this process reads."""
        return self._sweep

    def read(self, cursor: Cursor) -> Cursor:
        """Read at the finalized block if it is time; gives the cursor, moved when it was read."""
        if cursor.finalized_height > cursor.balances_height:
            with self._database.read(None, ACTOR) as uow:
                moved = self._moved(uow, cursor)
            if moved:
                return self._read_moved(cursor, moved)
        return self._sweep_on(cursor)

    def _read_moved(self, cursor: Cursor, moved: Sequence[WatchedFrom]) -> Cursor:
        """Addresses that moved since the last reading, or are new: each one's reading is kept."""
        height, of = cursor.finalized_height, defaultdict[UUID, list[bytes]](list)
        for one in moved:
            of[one.organisation_id].append(one.address)
        codes = [self._code(one.address) for one in moved]
        header, found = self._ask(height, of, codes=codes)
        readings = [reading for one in found for reading in one.all()]
        ranges = self._ranges([reading for one in found for reading in one.differing()], height)
        with self._database.unit(None, ACTOR) as uow:
            after = move_cursor(uow, cursor, balances_height=height)
            self._hand_over(uow, header, "", readings, ranges, swept=0)
        return after

    def _sweep_on(self, cursor: Cursor) -> Cursor:
        """The next part of the sweep; only what differs from the books is kept of it."""
        sweep = self._due()
        if sweep is None:
            return cursor
        height, begin = cursor.finalized_height, sweep.after or b""
        with self._database.read(None, ACTOR) as uow:
            part = wallets.complete_after(uow, self._chain_id, height, begin, PART_MAX)
        read = sum(len(addresses) for addresses in part.values())
        end = max((addresses[-1] for addresses in part.values()), default=begin)
        between = (self._code(begin), self._code(end))
        header, found = self._ask(height, part, between=between)
        differing = [reading for one in found for reading in one.differing()]
        ranges = self._ranges(differing, height)
        with self._database.unit(None, ACTOR) as uow:
            after = move_cursor(uow, cursor)
            moved = sweeping.advance(sweep, uow.now, end if read == PART_MAX else None, read)
            sweeping.record(uow, self._chain_id, moved)
            if found:
                place = f"sweep {sweep.round} {begin.hex()}"
                equal = sum(len(one.units) for one in found) - len(differing)
                self._hand_over(uow, header, place, differing, ranges, swept=equal)
            self._sweep = moved
        self._measure(moved, read)
        return after

    def _due(self) -> Sweep | None:
        """The round whose next part is to be read now."""
        if self._sweep is None:
            with self._database.read(None, ACTOR) as uow:
                self._sweep = sweeping.next_part(uow, self._chain_id)
                self._total = wallets.watched_count(uow, self._chain_id)
        now = self._database.clock.now()
        age = self._sweep.age_seconds(now)
        if age is not None:
            self._gauge("sweep_age_seconds", "Age of the oldest balance reading.", age)
        if not self._sweep.is_due(now, self._sweep_seconds, self._total):
            return None
        if self._sweep.ended_at is not None:
            with self._database.read(None, ACTOR) as uow:
                self._total = wallets.watched_count(uow, self._chain_id)
        return sweeping.begin_again(self._sweep, now)

    def _moved(self, uow: UnitOfWork, cursor: Cursor) -> list[WatchedFrom]:
        found = uow.execute(
            "WITH block AS (SELECT id FROM chain_block WHERE chain_id = %(c)s AND touched"
            "  AND orphaned_at IS NULL AND height > %(from)s AND height <= %(to)s)"
            " SELECT sender FROM chain_transfer WHERE block_id IN (SELECT id FROM block)"
            " UNION SELECT recipient FROM chain_transfer WHERE block_id IN (SELECT id FROM block)"
            " UNION SELECT sender FROM chain_receipt WHERE block_id IN (SELECT id FROM block)",
            {
                "c": self._chain_id,
                "from": cursor.balances_height,
                "to": cursor.finalized_height,
            },
        )
        moved = {row[0] for row in found}
        moved |= wallets.begun(
            uow, self._chain_id, cursor.balances_height, cursor.finalized_height, PART_MAX
        )
        return wallets.complete(uow, self._chain_id, cursor.finalized_height, moved)

    def _ask(
        self,
        height: int,
        of: Mapping[UUID, Sequence[bytes]],
        *,
        codes: Sequence[str] | None = None,
        between: tuple[str, str] | None = None,
    ) -> tuple[Header, list[_Read]]:
        """Both sides of what each organisation's addresses hold; of the books those of `codes`, or
        those `between` two codes, are read while the node answers. Raises ForkChanged, ChainError.
        """
        with self._database.read(None, ACTOR) as uow:
            own = repository.canonical(uow, self._chain_id, height)
            alike = wallets.held_alike(uow, self._chain_id, self._native_asset, of)
        held = [held for one in alike for held in zip(one.addresses, repeat(one.token))]
        reading = self._thread.start(self._read_at(height, held))
        with self._database.read(None, ACTOR) as uow:
            totals = ledger.custody_at(uow, self._chain_id, height, codes=codes, between=between)
        header, units = self._thread.wait(reading)
        if own is not None and own.block_hash != header.hash:
            raise ForkChanged(f"The node shows another block {height} than the final one here.")
        books, each = _books(totals), iter(units)
        return header, [
            _Read(one, list(islice(each, len(one.addresses))), books[one.asset]) for one in alike
        ]

    async def _read_at(self, height: int, held: Sequence[Held]) -> tuple[Header, list[int]]:
        header = await self._thread.fetcher.header_at(height)
        return header, await self._thread.fetcher.balances(header, held)

    def _ranges(self, differing: Sequence[Reading], height: int) -> list[tuple[Holding, Range]]:
        """Where each difference began; of an account that is frozen already, people know it."""
        if not differing:
            return []
        addresses = {holding.address for holding, _ in differing}
        with self._database.read(None, ACTOR) as uow:
            of = wallets.complete(uow, self._chain_id, height, addresses)
        first = {one.address: (one.height, one.organisation_id) for one in of}
        found: list[tuple[Holding, Range]] = []
        for holding, _ in differing:
            if len(found) == RANGES_MAX:
                break
            begun, organisation_id = first[holding.address]
            with self._database.read(organisation_id, ACTOR) as uow:
                if wallets.is_frozen(uow, self._code(holding.address), holding.asset):
                    continue
            found.append((holding, self._inspector.range_of(holding, begun, height)))
        return found

    def _hand_over(
        self,
        uow: UnitOfWork,
        header: Header,
        part: str,
        readings: Sequence[Reading],
        ranges: Sequence[tuple[Holding, Range]],
        *,
        swept: int,
    ) -> None:
        _insert(uow, self._chain_id, header, part, readings)
        for holding, found in ranges:
            _insert_range(uow, self._chain_id, header, holding, found)
        key = f"{self._chain_id}:{header.hash.hex()}" + (f":{part}" if part else "")
        payload = {
            "chain_id": self._chain_id,
            "height": header.height,
            "block_hash": header.hash.hex(),
            "part": part,
            "swept": swept,
        }
        outbox.enqueue(uow, TOPIC, key, payload, organisation_id=HOUSE)

    def _measure(self, sweep: Sweep, read: int) -> None:
        counter("strongroom_indexer_swept_total", "Addresses read by the sweep.").inc(read)
        self._gauge("sweep_period_seconds", "A round of the sweep takes this.", self._sweep_seconds)
        self._gauge("sweep_round", "Number of the sweep's round.", sweep.round)

    def _gauge(self, name: str, help_text: str, value: int) -> None:
        found = gauge(f"strongroom_indexer_{name}", help_text, ("chain",))
        found.labels(str(self._chain_id)).set(value)

    def _code(self, address: bytes) -> str:
        return wallets.custody_code(self._chain_id, address)


def _books(found: Sequence[CustodyTotal]) -> defaultdict[str, dict[bytes, int]]:
    """Units by asset and address."""
    books: defaultdict[str, dict[bytes, int]] = defaultdict(dict)
    for one in found:
        books[one.asset][bytes.fromhex(one.code[-40:])] = one.units
    return books


def _insert(
    uow: UnitOfWork, chain_id: int, header: Header, part: str, readings: Sequence[Reading]
) -> None:
    uow.execute(
        "INSERT INTO chain_balance (chain_id, height, block_hash, address, asset, token, units,"
        " read_at, part) SELECT %s, %s, %s, address, asset, token, units, %s, %s"
        " FROM unnest(%s::bytea[], %s::text[], %s::bytea[], %s::numeric[])"
        " AS r (address, asset, token, units) ON CONFLICT DO NOTHING",
        (
            chain_id,
            header.height,
            header.hash,
            uow.now,
            part,
            [holding.address for holding, _ in readings],
            [holding.asset for holding, _ in readings],
            [holding.token for holding, _ in readings],
            arrays.texts(str(units) for _, units in readings),
        ),
    )


def _insert_range(
    uow: UnitOfWork, chain_id: int, header: Header, holding: Holding, found: Range
) -> None:
    uow.execute(
        "INSERT INTO chain_difference (chain_id, height, block_hash, address, asset, equal_height,"
        " differs_height, told, found_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (
            chain_id,
            header.height,
            header.hash,
            holding.address,
            holding.asset,
            found.equal_height,
            found.differs_height,
            found.told,
            uow.now,
        ),
    )

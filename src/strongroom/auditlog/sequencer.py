"""Gives staged records their place: the only writer of the tree.

log_head's row is locked first and is also the fence: two sequencers take turns, they never tear.
The index is born here, so it has no gaps; and what a writer read had committed before, so an
answer never stands before its question.
"""

from typing import Any, Final
from uuid import UUID

from strongroom.auditlog import record as records
from strongroom.auditlog.tiles import StoredTiles, root
from strongroom.db.actor import system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.check import check
from strongroom.kit.crash import crash_point
from strongroom.kit.metrics import counter, gauge
from strongroom_protocol.merkle import leaf_hash

BATCH_MAX: Final = 2_000
PAUSE_SECONDS: Final = 0.1
"""How long the loop rests when nothing waits; the merge delay stays far below a second."""
_ACTOR: Final = system("sequencer")


class Sequencer:
    """One step sequences at most BATCH_MAX records, in one transaction."""

    def __init__(self, database: Database) -> None:
        """`database` connects as strongroom_relay."""
        self._database = database

    def step(self) -> bool:
        """True when more may wait."""
        if not self._database.any("SELECT FROM log_pending"):
            return False
        with self._database.unit(None, _ACTOR) as uow:
            placed = self._sequence(uow)
            crash_point("log.sequenced")
        counter("strongroom_log_records_total", "Records sequenced.").inc(placed)
        return placed == BATCH_MAX

    def _sequence(self, uow: UnitOfWork) -> int:
        head = uow.execute("SELECT size, sequenced_at FROM log_head FOR UPDATE").fetchone()
        check(head is not None, "the log has a head")
        size, before = head or (0, uow.now)
        staged = uow.execute(
            "DELETE FROM log_pending WHERE id IN"
            " (SELECT id FROM log_pending ORDER BY id LIMIT %s)"
            " RETURNING id, organisation_id, record, record_hash, rows",
            (BATCH_MAX,),
        ).fetchall()
        if not staged:
            return 0
        staged.sort()
        now = max(uow.now, before)
        places = _organisation_indexes(uow, [row[1] for row in staged])
        tiles = StoredTiles(uow)
        tiles.extend(
            size,
            [
                leaf_hash(records.leaf_content(size + n, row[1], place, bytes(row[3]), now))
                for n, (row, place) in enumerate(zip(staged, places, strict=True))
            ],
        )
        _insert(uow, size, staged, places, now)
        uow.execute(
            "UPDATE log_head SET size = %s, root = %s, sequenced_at = %s",
            (size + len(staged), root(tiles, size + len(staged)), now),
        )
        gauge("strongroom_log_size", "Records in the log.").set(size + len(staged))
        return len(staged)


def _organisation_indexes(uow: UnitOfWork, owners: list[UUID]) -> list[int]:
    """The place of each record in its organisation's own count, and the counts moved on."""
    found: list[tuple[Any, ...]] = uow.execute(
        "SELECT organisation_id, size FROM log_organisation WHERE organisation_id = ANY(%s)",
        (sorted(set(owners)),),
    ).fetchall()
    sizes: dict[UUID, int] = dict(found)
    places: list[int] = []
    for owner in owners:
        places.append(sizes.get(owner, 0))
        sizes[owner] = places[-1] + 1
    uow.execute(
        "INSERT INTO log_organisation (organisation_id, size)"
        " SELECT * FROM unnest(%s::uuid[], %s::bigint[])"
        " ON CONFLICT (organisation_id) DO UPDATE SET size = excluded.size",
        (list(sizes), list(sizes.values())),
    )
    return places


def _insert(
    uow: UnitOfWork, size: int, staged: list[tuple[Any, ...]], places: list[int], now: object
) -> None:
    uow.execute(
        "INSERT INTO log_record (organisation_id, index, organisation_index, record, record_hash,"
        " rows, sequenced_at)"
        " SELECT u.organisation_id, %s + u.n - 1, u.place, u.record, u.record_hash, u.rows, %s"
        " FROM unnest(%s::uuid[], %s::bigint[], %s::bytea[], %s::bytea[], %s::bytea[])"
        " WITH ORDINALITY AS u (organisation_id, place, record, record_hash, rows, n)",
        (
            size,
            now,
            [row[1] for row in staged],
            places,
            [row[2] for row in staged],
            [row[3] for row in staged],
            [row[4] for row in staged],
        ),
    )

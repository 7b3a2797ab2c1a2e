"""SQL of screening: lists by version, requests by lease."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from strongroom.db import lease
from strongroom.db import rows as many
from strongroom.db.database import UnitOfWork

_IMPORTS_IN_TURN = 7_210_009
"""Advisory lock key: imports wait for each other, so versions rise without a gap."""


_REQUEST: Final = {
    "organisation_id": "uuid", "id": "uuid", "direction": "text", "reference": "text",
    "subject": "bytea", "intent": "bytea", "deposit": "text", "topic": "text", "payload": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claimed:
    """A request that this screener may answer while `attempt` is its own."""

    organisation_id: UUID
    id: UUID
    attempt: int
    direction: str
    subject: bytes
    intent: bytes | None
    deposit: dict[str, Any] | None
    topic: str
    payload: dict[str, Any]
    request_trace: str


@dataclass(frozen=True, slots=True)
class EntryChange:
    """An address that came onto a list or left it."""

    version: int
    list_name: str
    address: bytes
    listed: bool
    label: str


def wait_for_imports(uow: UnitOfWork) -> None:
    """Hold the imports' lock to the end of the unit."""
    uow.execute("SELECT pg_advisory_xact_lock(%s)", (_IMPORTS_IN_TURN,))


def newest_version(uow: UnitOfWork) -> int:
    """The newest version of any list; 0 when nothing was ever imported."""
    row = uow.execute("SELECT coalesce(max(version), 0) FROM screening_list_version").fetchone()
    return int(row[0]) if row else 0


def entries_of(uow: UnitOfWork, list_name: str) -> dict[bytes, str]:
    """What a list holds now: address → label."""
    rows = uow.execute(
        "SELECT address, label FROM screening_entry WHERE list_name = %s AND valid_to IS NULL",
        (list_name,),
    )
    return {bytes(address): str(label) for address, label in rows}


def changes_after(uow: UnitOfWork, version: int) -> list[EntryChange]:
    """Every change since a version, in order."""
    rows = uow.execute(
        "SELECT version, list_name, address, listed, label FROM screening_entry_change "
        "WHERE version > %s ORDER BY version, address",
        (version,),
    )
    return [EntryChange(row[0], row[1], bytes(row[2]), row[3], row[4]) for row in rows]


def add_changes(uow: UnitOfWork, changes: Iterable[EntryChange]) -> None:
    """COPY changes in."""
    with (
        uow.driver.cursor() as cursor,
        cursor.copy(
            "COPY screening_entry_change (version, list_name, address, listed, label) FROM STDIN"
        ) as copy,
    ):
        for change in changes:
            copy.write_row(
                (change.version, change.list_name, change.address, change.listed, change.label)
            )


def queue_stale(uow: UnitOfWork, version: int, renew_before: timedelta, limit: int) -> int:
    """Ask again what was judged by an older list, whose clearance ends soon, or what compliance has
    accepted since. Returns how many.

    Finished requests are left alone: their money is final.
    """
    if version == 0:
        return 0
    cursor = uow.execute(
        "UPDATE screening_request SET state = 'QUEUED', lease_until = NULL "
        "WHERE (organisation_id, id) IN (SELECT organisation_id, id FROM screening_request "
        "  WHERE finished_at IS NULL AND state <> 'QUEUED' "
        "  AND (list_version IS NULL OR list_version < %(version)s "
        "       OR (state = 'CLEAR' AND valid_until <= %(soon)s) "
        "       OR (state = 'UNSUPPORTED' AND EXISTS (SELECT FROM screening_acceptance AS a "
        "           WHERE (a.organisation_id, a.request_id) "
        "               = (screening_request.organisation_id, screening_request.id)))) "
        "  ORDER BY requested_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)",
        {"version": version, "soon": uow.now + renew_before, "limit": limit},
    )
    return cursor.rowcount


def claim(uow: UnitOfWork, lease_seconds: int, limit: int) -> list[Claimed]:
    """Take queued requests that nobody holds; the lease ends by itself if this process dies."""
    rows = lease.claim(
        uow,
        "screening_request",
        "state = 'QUEUED'",
        lease_seconds,
        limit,
        order="requested_at",
    )
    names = [field.name for field in fields(Claimed)]
    return [Claimed(**{name: row[name] for name in names}) for row in rows]


def accepted(uow: UnitOfWork, claimed: Sequence[Claimed]) -> dict[UUID, str]:
    """Why compliance takes those of these requests that it has accepted."""
    rows = uow.execute(
        "SELECT request_id, why FROM screening_acceptance WHERE request_id = ANY(%s)",
        ([one.id for one in claimed],),
    )
    return dict(rows.fetchall())


def record(
    uow: UnitOfWork,
    claimed: Claimed,
    *,
    state: str,
    list_version: int | None,
    valid_until: datetime | None,
) -> int | None:
    """Store the answer where the attempt is still ours. Returns the revision, or None if not."""
    row = uow.execute(
        "UPDATE screening_request SET state = %(state)s, revision = revision + 1, "
        "  list_version = %(version)s, valid_until = %(valid_until)s, judged_at = %(now)s, "
        "  lease_until = NULL "
        "WHERE organisation_id = %(organisation)s AND id = %(id)s AND attempt = %(attempt)s "
        "  AND state = 'QUEUED' RETURNING revision",
        {
            "state": state,
            "version": list_version,
            "valid_until": valid_until,
            "now": uow.now,
            "organisation": claimed.organisation_id,
            "id": claimed.id,
            "attempt": claimed.attempt,
        },
    ).fetchone()
    return None if row is None else int(row[0])


def add_requests(uow: UnitOfWork, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Keep questions that were not asked yet, in the order of their keys; gives the new ids."""
    written = [
        {
            **row,
            "deposit": None if row["deposit"] is None else json.dumps(row["deposit"]),
            "payload": json.dumps(row["payload"]),
        }
        for row in rows
    ]
    found = uow.execute(
        f"INSERT INTO screening_request ({', '.join(_REQUEST)},"  # noqa: S608 - own constants
        " requested_at, request_trace)"
        " SELECT r.organisation_id, r.id, r.direction, r.reference, r.subject, r.intent,"
        f" r.deposit::jsonb, r.topic, r.payload::jsonb, %s, %s FROM {many.unnest(_REQUEST)}"
        " ORDER BY r.organisation_id, r.direction, r.reference"
        " ON CONFLICT DO NOTHING RETURNING id",
        (uow.now, uow.request_id, *many.parameters(_REQUEST, written)),
    )
    return {row[0] for row in found}

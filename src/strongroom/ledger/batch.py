"""Writes a batch of PostingCommands in the writer's transaction: three round trips for all.

Row-level security binds each statement to its organisation: the setting changes with the rows.
Locks: all idempotency keys, sorted; then the ledger's own, organisation by organisation, sorted.
While PostgreSQL works at one trip, Python prepares the next one, as if nothing were refused.
"""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from strongroom.auditlog import record as records
from strongroom.db import arrays
from strongroom.db.database import UnitOfWork
from strongroom.db.idempotency import StoredAnswer, body_differs
from strongroom.kit.check import check
from strongroom.kit.errors import StrongroomError
from strongroom.ledger import service
from strongroom.ledger.encoding import Encoded, answer_text
from strongroom.ledger.errors import refusal

Outcome = StoredAnswer | StrongroomError
Slot = tuple[UUID, str]
Connection = psycopg.Connection[tuple[Any, ...]]

_TENANT = b"SELECT set_config('strongroom.org', %s, true)"
_TAKE = b"""
INSERT INTO idempotency (organisation_id, key, body_hash, status, answer, created_at)
SELECT %s, u.key, u.body_hash, u.status, u.answer::json, %s
FROM unnest(%s::text[], %s::bytea[], %s::integer[], %s::text[])
    AS u (key, body_hash, status, answer)
ORDER BY u.key
ON CONFLICT (organisation_id, key) DO NOTHING
RETURNING key
"""
_STORED = b"""
SELECT key, body_hash, status, answer::text FROM idempotency
WHERE organisation_id = %s AND key = ANY(%s::text[])
"""
_GIVE_UP = b"DELETE FROM idempotency WHERE organisation_id = %s AND key = ANY(%s::text[])"
_LOG = b"""
INSERT INTO log_pending (organisation_id, record, record_hash, rows)
SELECT %s, u.* FROM unnest(%s::bytea[], %s::bytea[], %s::bytea[]) AS u
"""
_OUTBOX = b"""
INSERT INTO outbox (organisation_id, id, topic, key, payload, request_id, due_at, created_at)
SELECT %s, u.id, u.topic, u.key, u.payload::jsonb, u.request_id, %s, %s
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS u (id, topic, key, payload, request_id)
ORDER BY u.topic, u.key
ON CONFLICT (organisation_id, topic, key) DO NOTHING
"""


@dataclass(slots=True)
class _Share:
    """One organisation's part of a batch; `commands` are sorted by key, one a key."""

    organisation_id: UUID
    commands: list[Encoded]
    fresh: Sequence[Encoded] = ()
    arguments: tuple[Any, ...] = ()
    posted: Sequence[Encoded] = ()
    records: Mapping[str, tuple[bytes, bytes, bytes]] = field(default_factory=dict)


def write(uow: UnitOfWork, commands: Sequence[Encoded]) -> list[Outcome]:
    """Write all of it in the caller's unit; an outcome a command, in order.

    A refused posting stores nothing and leaves its key free. The same key twice in a batch is one
    command (same body) or a conflict (other body).
    """
    first: dict[Slot, Encoded] = {}
    for command in commands:
        first.setdefault(command.slot, command)
    shares = [
        _Share(organisation_id, fresh := list(found), fresh)
        for organisation_id, found in itertools.groupby(
            sorted(first.values(), key=lambda command: command.slot),
            key=lambda command: command.posting.organisation_id,
        )
    ]
    outcomes: dict[Slot, Outcome] = {}
    _take_keys(uow, shares, outcomes)
    _post(uow, shares, outcomes)
    _leave_traces(uow, shares)
    return [_outcome_for(command, first, outcomes) for command in commands]


def _outcome_for(
    command: Encoded, first: Mapping[Slot, Encoded], outcomes: Mapping[Slot, Outcome]
) -> Outcome:
    if first[command.slot].body_hash != command.body_hash:
        return body_differs(command.idempotency_key)
    return outcomes[command.slot]


def _take_keys(uow: UnitOfWork, shares: list[_Share], outcomes: dict[Slot, Outcome]) -> None:
    """Insert the keys with the answers they will have; what was there before keeps its own."""
    connection = uow.driver
    with connection.pipeline():
        cursors = []
        for share in shares:
            _name_organisation(connection, share.organisation_id)
            cursors.append(
                connection.execute(
                    _TAKE,
                    (
                        share.organisation_id,
                        uow.now,
                        arrays.texts(one.idempotency_key for one in share.commands),
                        arrays.octets(one.body_hash for one in share.commands),
                        arrays.numbers(one.status for one in share.commands),
                        arrays.texts(one.answer for one in share.commands),
                    ),
                )
            )
        for share in shares:
            share.arguments = _arguments(uow, share)
    for share, cursor in zip(shares, cursors, strict=True):
        taken = {key for (key,) in cursor.fetchall()}
        old = [one for one in share.commands if one.idempotency_key not in taken]
        if old:
            share.fresh = [one for one in share.commands if one.idempotency_key in taken]
            share.arguments = _arguments(uow, share)
            _recall(connection, share.organisation_id, old, outcomes)


def _name_organisation(connection: Connection, organisation_id: UUID) -> None:
    """Row-level security lets this organisation's rows pass until another one is named."""
    connection.execute(_TENANT, (str(organisation_id),))


def _arguments(uow: UnitOfWork, share: _Share) -> tuple[Any, ...]:
    postings = [command.posting for command in share.fresh]
    return service.arguments(uow.now, postings, [uow.new_id() for _ in postings])


def _recall(
    connection: Connection,
    organisation_id: UUID,
    commands: list[Encoded],
    outcomes: dict[Slot, Outcome],
) -> None:
    """The stored answers of keys that were used before."""
    _name_organisation(connection, organisation_id)
    keys = [command.idempotency_key for command in commands]
    found = {
        key: (bytes(body_hash), status, answer)
        for key, body_hash, status, answer in connection.execute(_STORED, (organisation_id, keys))
    }
    for command in commands:
        body_hash, status, answer = found[command.idempotency_key]
        if body_hash != command.body_hash:
            outcomes[command.slot] = body_differs(command.idempotency_key)
        else:
            check(status is not None, "a committed idempotency key has its answer")
            outcomes[command.slot] = StoredAnswer(status, answer)


def _post(uow: UnitOfWork, shares: list[_Share], outcomes: dict[Slot, Outcome]) -> None:
    connection = uow.driver
    working = [share for share in shares if share.fresh]
    cursors = []
    with connection.pipeline():
        for share in working:
            if len(shares) > 1:
                _name_organisation(connection, share.organisation_id)
            cursors.append(connection.execute(service.POST, share.arguments))
        for share in working:
            share.records = {one.idempotency_key: _record(uow, one) for one in share.fresh}
    for share, cursor in zip(working, cursors, strict=True):
        posted = []
        results = service.results(cursor.fetchall())
        for command, result in zip(share.fresh, results, strict=True):
            if result.code is None:
                posted.append(command)
                outcomes[command.slot] = StoredAnswer(command.status, command.answer)
            else:
                outcomes[command.slot] = refusal(result.code, command.posting.key)
        share.posted = posted


def _leave_traces(uow: UnitOfWork, shares: Sequence[_Share]) -> None:
    """Audit records and outbox rows of what was posted; the keys of what was refused go free."""
    connection = uow.driver
    with connection.pipeline():
        for share in shares:
            if not share.fresh:
                continue
            if len(shares) > 1:
                _name_organisation(connection, share.organisation_id)
            posted = {command.idempotency_key for command in share.posted}
            refused = [
                one.idempotency_key for one in share.fresh if one.idempotency_key not in posted
            ]
            if refused:
                connection.execute(_GIVE_UP, (share.organisation_id, refused))
            if share.posted:
                logged = [share.records[command.idempotency_key] for command in share.posted]
                columns = [arrays.octets(column) for column in zip(*logged, strict=True)]
                connection.execute(_LOG, (share.organisation_id, *columns))
            _enqueue(uow, connection, share)


def _enqueue(uow: UnitOfWork, connection: Connection, share: _Share) -> None:
    rows = [(command, row) for command in share.posted for row in command.outbox]
    if rows:
        connection.execute(
            _OUTBOX,
            (
                share.organisation_id,
                uow.now,
                uow.now,
                arrays.uuids(uow.new_id() for _ in rows),
                arrays.texts(row.topic for _, row in rows),
                arrays.texts(row.key for _, row in rows),
                arrays.texts(answer_text(row.payload) for _, row in rows),
                arrays.texts(command.request_id for command, _ in rows),
            ),
        )


def _record(uow: UnitOfWork, command: Encoded) -> tuple[bytes, bytes, bytes]:
    """(record, its hash, its rows) for one command."""
    encoded = records.at_moment(*command.record, uow.now)
    return encoded, hashlib.sha256(encoded).digest(), command.rows

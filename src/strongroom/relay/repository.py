"""Rows of the relay as its loop reads and writes them, each change fenced by the claim. A group's
rows are read and written by one statement each: a row's own would cost thrice the work.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row
from sqlalchemy import func, select, update

from strongroom.db import arrays, lease
from strongroom.db.database import Database, UnitOfWork
from strongroom.relay.models import Outgoing
from strongroom.relay.rules import AttemptState
from strongroom.relay.types import AttemptKind, Fees, OutgoingView, SignedAttempt, State, view_of

LEASE_SECONDS: Final = 20
"""How long a dead process keeps a row; a slow one that outlives it is stopped by the fence."""

_DUE: Final = (
    "chain_id = %(chain_id)s AND state IN ('queued', 'signed', 'broadcast') AND due_at <= %(now)s"
)
ATTEMPTS_READ: Final = 200
"""Receipts that are asked for at once; the rest waits for the next look."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that this process works on, while the lease lasts and `fence` is still its number."""

    outgoing: OutgoingView
    fence: int
    cancel_requested: bool
    attempts: tuple[AttemptState, ...]
    raw: dict[int, bytes]
    """The signed bytes by attempt."""

    def attempt(self, number: int) -> AttemptState:
        """One of its attempts."""
        return next(attempt for attempt in self.attempts if attempt.number == number)

    def having(self, attempt: AttemptState) -> "Claim":
        """The same with one attempt more, or one in another state."""
        others = (one for one in self.attempts if one.number != attempt.number)
        return replace(self, attempts=(*others, attempt))


@dataclass(slots=True)
class Row:
    """A row that is locked and still ours, and what becomes of it in this unit."""

    claim: Claim
    state: State
    """As the database has it now: a block may have shown it mined meanwhile."""
    sender: bytes | None
    nonce: int | None
    last_error: str | None
    due_at: datetime | None = None
    """When it is taken up again, by whomever; None: this process goes on with it."""
    predicted: Sequence[Mapping[str, str]] | None = None
    changed: bool = False

    @property
    def id(self) -> UUID:
        """The row's."""
        return self.claim.outgoing.id

    def view(self) -> OutgoingView:
        """As others may see it."""
        return replace(
            self.claim.outgoing,
            state=self.state,
            sender=self.sender,
            nonce=self.nonce,
            last_error=self.last_error,
        )


def any_due(database: Database, chain_id: int) -> bool:
    """Whether a row may be claimed: what is asked ten times a second, mostly in vain."""
    free = f"({_DUE}) AND (lease_until IS NULL OR lease_until <= %(now)s)"
    values = {"chain_id": chain_id, "now": database.clock.now()}
    return database.any(f"SELECT FROM outgoing WHERE {free}", values)


def claim_due(uow: UnitOfWork, chain_id: int, limit: int) -> dict[UUID, Claim]:
    """Lease up to `limit` rows, those first that are due longest, by id. Rows that others hold are
    passed by.
    """
    rows = lease.claim(
        uow,
        "outgoing",
        _DUE,
        LEASE_SECONDS,
        limit,
        parameters={"chain_id": chain_id, "now": uow.now},
        order="due_at, id",
    )
    # What was never claimed was never planned.
    old = [row for row in rows if row["state"] != "queued" or row["attempt"] > 1]
    attempts = _attempts(uow, old) if old else {}
    return {row["id"]: _claim(row, attempts.get(row["id"], ())) for row in rows}


def lock_mine(uow: UnitOfWork, claims: Sequence[Claim]) -> list[Row]:
    """The rows, locked in the order of their ids, whose claims still stand; the others were taken
    over by another process.
    """
    found = uow.execute(
        "SELECT o.id, o.state, o.sender, o.nonce, o.last_error FROM outgoing AS o"
        " JOIN unnest(%s::uuid[], %s::uuid[], %s::integer[]) AS mine (organisation_id, id, fence)"
        " ON (o.organisation_id, o.id, o.attempt) = (mine.organisation_id, mine.id, mine.fence)"
        " ORDER BY o.id FOR UPDATE OF o",
        (*_keys(claims), arrays.numbers(claim.fence for claim in claims)),
    )
    of = {claim.outgoing.id: claim for claim in claims}
    return [Row(of[found_id], *rest) for found_id, *rest in found.fetchall()]


def write(uow: UnitOfWork, rows: Sequence[Row]) -> None:
    """Keep what became of these rows, locked by this unit. One with a due date is given back."""
    if not rows:
        return
    uow.execute(
        "UPDATE outgoing AS o SET state = n.state, sender = n.sender, nonce = n.nonce,"
        " last_error = n.last_error, predicted = coalesce(n.predicted::jsonb, o.predicted),"
        " due_at = coalesce(n.due_at, o.due_at),"
        " lease_until = CASE WHEN n.due_at IS NULL THEN o.lease_until END, updated_at = %s"
        " FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::bytea[], %s::bigint[], %s::text[],"
        "  %s::text[], %s::timestamptz[]) AS n (organisation_id, id, state, sender, nonce,"
        "  last_error, predicted, due_at)"
        " WHERE (o.organisation_id, o.id) = (n.organisation_id, n.id)",
        (
            uow.now,
            *_keys([row.claim for row in rows]),
            arrays.texts(row.state for row in rows),
            arrays.octets(row.sender for row in rows),
            arrays.numbers(row.nonce for row in rows),
            arrays.texts(row.last_error for row in rows),
            arrays.texts(None if row.predicted is None else json.dumps(row.predicted)
                         for row in rows),
            arrays.texts(None if row.due_at is None else row.due_at.isoformat() for row in rows),
        ),
    )  # fmt: skip


def plan(
    uow: UnitOfWork, plans: Sequence[tuple[Claim, int, AttemptKind, Fees]]
) -> dict[UUID, Claim]:
    """Keep the fees of attempts before the signer is asked; a refused plan is made anew. Gives the
    claims with them.
    """
    if not plans:
        return {}
    uow.execute(
        "INSERT INTO outgoing_attempt AS a (organisation_id, outgoing_id, attempt, kind, gas,"
        " max_fee_per_gas_wei, max_priority_fee_per_gas_wei, planned_at)"
        " SELECT n.*, %s FROM unnest(%s::uuid[], %s::uuid[], %s::integer[], %s::text[],"
        "  %s::bigint[], %s::numeric[], %s::numeric[]) AS n"
        " ON CONFLICT (organisation_id, outgoing_id, attempt) DO UPDATE SET kind = excluded.kind,"
        " gas = excluded.gas, max_fee_per_gas_wei = excluded.max_fee_per_gas_wei,"
        " max_priority_fee_per_gas_wei = excluded.max_priority_fee_per_gas_wei,"
        " planned_at = excluded.planned_at, refused = NULL",
        (
            uow.now,
            *_keys([claim for claim, *_ in plans]),
            arrays.numbers(number for _, number, *_ in plans),
            arrays.texts(kind for _, _, kind, _ in plans),
            arrays.numbers(fees.gas for *_, fees in plans),
            arrays.numbers(fees.max_fee_per_gas_wei for *_, fees in plans),
            arrays.numbers(fees.max_priority_fee_per_gas_wei for *_, fees in plans),
        ),
    )
    return {
        claim.outgoing.id: claim.having(
            AttemptState(
                number,
                kind,
                fees,
                signed=False,
                refused=False,
                planned_at=uow.now,
                first_broadcast_at=None,
            )
        )
        for claim, number, kind, fees in plans
    }


def store(uow: UnitOfWork, signed: Sequence[tuple[Row, int, SignedAttempt]]) -> dict[UUID, Claim]:
    """Keep the signed bytes. From here on the transactions may be anywhere in the world. Gives the
    claims with them.
    """
    if not signed:
        return {}
    uow.execute(
        "UPDATE outgoing_attempt AS a SET raw = n.raw, hash = n.hash, stored_at = %s"
        " FROM unnest(%s::uuid[], %s::uuid[], %s::integer[], %s::bytea[], %s::bytea[])"
        "  AS n (organisation_id, outgoing_id, attempt, raw, hash)"
        " WHERE (a.organisation_id, a.outgoing_id, a.attempt)"
        "  = (n.organisation_id, n.outgoing_id, n.attempt) AND a.raw IS NULL",
        (
            uow.now,
            *_keys([row.claim for row, *_ in signed]),
            arrays.numbers(number for _, number, _ in signed),
            arrays.octets(one.raw for *_, one in signed),
            arrays.octets(one.hash for *_, one in signed),
        ),
    )
    claims = {}
    for row, number, one in signed:
        attempt = replace(row.claim.attempt(number), signed=True)
        claim = replace(row.claim.having(attempt), outgoing=row.view())
        claims[row.id] = replace(claim, raw={**claim.raw, number: one.raw})
    return claims


def mark_refused(uow: UnitOfWork, claim: Claim, number: int, sentence: str) -> None:
    """The signer would not sign this one."""
    uow.execute(
        "UPDATE outgoing_attempt SET refused = %s"
        " WHERE (organisation_id, outgoing_id, attempt) = (%s, %s, %s)",
        (sentence, claim.outgoing.organisation_id, claim.outgoing.id, number),
    )


def mark_broadcast(uow: UnitOfWork, sent: Sequence[tuple[Claim, int]]) -> None:
    """A node was handed these attempts."""
    uow.execute(
        "UPDATE outgoing_attempt AS a SET last_broadcast_at = %(now)s,"
        " first_broadcast_at = coalesce(a.first_broadcast_at, %(now)s)"
        " FROM unnest(%(owners)s::uuid[], %(ids)s::uuid[], %(numbers)s::integer[])"
        "  AS n (organisation_id, outgoing_id, attempt)"
        " WHERE (a.organisation_id, a.outgoing_id, a.attempt)"
        "  = (n.organisation_id, n.outgoing_id, n.attempt)",
        {
            "now": uow.now,
            **dict(zip(("owners", "ids"), _keys([claim for claim, _ in sent]), strict=True)),
            "numbers": arrays.numbers(number for _, number in sent),
        },
    )


def keys(uow: UnitOfWork, chain_id: int) -> dict[bytes, UUID]:
    """Our keys that send, with their owners: the relay's, spending keys, and whoever has
    transactions on their way.
    """
    rows = uow.execute(
        "SELECT address, organisation_id FROM watched_address"
        " WHERE chain_id = %(chain)s AND kind IN ('relay', 'spending')"
        " UNION SELECT sender, coalesce("
        "  (SELECT w.organisation_id FROM watched_address w"
        "   WHERE w.chain_id = outgoing.chain_id AND w.address = sender), organisation_id)"
        " FROM outgoing WHERE chain_id = %(chain)s AND state IN ('signed', 'broadcast')",
        {"chain": chain_id},
    )
    return {bytes(address): owner for address, owner in rows.fetchall()}


def is_relay_key(uow: UnitOfWork, chain_id: int, address: bytes) -> bool:
    """The house's own key of this chain."""
    row = uow.execute(
        "SELECT 1 FROM watched_address WHERE chain_id = %s AND address = %s AND kind = 'relay'",
        (chain_id, address),
    )
    return row.fetchone() is not None


def attempts_below(
    uow: UnitOfWork, chain_id: int, nonces: Mapping[bytes, int]
) -> list[tuple[bytes, UUID]]:
    """Hash and row of each signed attempt whose row is not mined and whose nonce is below that of
    its key.
    """
    found = uow.execute(
        "SELECT t.hash, o.id FROM outgoing o"
        " JOIN unnest(%s::bytea[], %s::bigint[]) AS k (sender, nonce)"
        "  ON o.sender = k.sender AND o.nonce < k.nonce"
        " JOIN outgoing_attempt t ON (t.organisation_id, t.outgoing_id) = (o.organisation_id, o.id)"
        " WHERE o.chain_id = %s AND o.state IN ('signed', 'broadcast') AND t.hash IS NOT NULL"
        " ORDER BY o.id, t.attempt LIMIT %s",
        (list(nonces), list(nonces.values()), chain_id, ATTEMPTS_READ),
    )
    return [(bytes(one), outgoing_id) for one, outgoing_id in found.fetchall()]


def first_unmined(uow: UnitOfWork, chain_id: int, before: datetime) -> dict[bytes, int]:
    """The lowest nonce of each key that a node was given before that moment and is not mined."""
    found = uow.session.execute(
        select(Outgoing.sender, func.min(Outgoing.nonce))
        .where(
            Outgoing.chain_id == chain_id,
            Outgoing.state == "broadcast",
            Outgoing.updated_at < before,
        )
        .group_by(Outgoing.sender)
    )
    return {row[0] or b"": row[1] or 0 for row in found}


def send_again(uow: UnitOfWork, chain_id: int, senders: Collection[bytes]) -> int:
    """Have the whole queue of these keys sent again, in the order of nonces; how many rows. Those
    that somebody works on just now are sent anyway.
    """
    free = (
        select(Outgoing.id)
        .where(
            Outgoing.chain_id == chain_id,
            Outgoing.sender.in_(sorted(senders)),
            Outgoing.state.in_(("signed", "broadcast")),
            Outgoing.due_at > uow.now,
        )
        .order_by(Outgoing.id)
        .with_for_update(skip_locked=True)
    )
    ids = uow.session.scalars(free).all()
    uow.session.execute(update(Outgoing).where(Outgoing.id.in_(ids)).values(due_at=uow.now))
    return len(ids)


def _attempts(
    uow: UnitOfWork, rows: Sequence[Mapping[str, Any]]
) -> dict[UUID, list[dict[str, Any]]]:
    """By row, ascending by number."""
    found = uow.driver.cursor(row_factory=dict_row).execute(
        "SELECT a.* FROM outgoing_attempt AS a"
        " JOIN unnest(%s::uuid[], %s::uuid[]) AS k (organisation_id, id)"
        " ON (a.organisation_id, a.outgoing_id) = (k.organisation_id, k.id) ORDER BY a.attempt",
        (
            arrays.uuids(row["organisation_id"] for row in rows),
            arrays.uuids(row["id"] for row in rows),
        ),
    )
    attempts: dict[UUID, list[dict[str, Any]]] = {}
    for attempt in found:
        attempts.setdefault(attempt["outgoing_id"], []).append(attempt)
    return attempts


def _claim(row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> Claim:
    states = tuple(
        AttemptState(
            number=one["attempt"],
            kind=one["kind"],
            fees=Fees(
                one["gas"],
                int(one["max_fee_per_gas_wei"]),
                int(one["max_priority_fee_per_gas_wei"]),
            ),
            signed=one["raw"] is not None,
            refused=one["refused"] is not None,
            planned_at=one["planned_at"],
            first_broadcast_at=one["first_broadcast_at"],
        )
        for one in attempts
    )
    raw = {one["attempt"]: one["raw"] for one in attempts if one["raw"] is not None}
    return Claim(view_of(row), row["attempt"], row["cancel_requested_at"] is not None, states, raw)


def _keys(claims: Sequence[Claim]) -> tuple[str, str]:
    """Owners and ids, as two arrays."""
    return (
        arrays.uuids(claim.outgoing.organisation_id for claim in claims),
        arrays.uuids(claim.outgoing.id for claim in claims),
    )

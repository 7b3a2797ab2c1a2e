"""Rows of the relay as its loop reads and writes them, each change fenced by the claim."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import defer
from sqlalchemy.orm.attributes import set_committed_value

from strongroom.db import lease
from strongroom.db.database import UnitOfWork
from strongroom.relay.models import Outgoing, OutgoingAttempt
from strongroom.relay.rules import AttemptState
from strongroom.relay.types import AttemptKind, Fees, OutgoingView, SignedAttempt

LEASE_SECONDS: Final = 20
"""How long a dead process keeps a row; a slow one that outlives it is stopped by the fence."""

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


def claim_due(uow: UnitOfWork, chain_id: int, limit: int) -> dict[UUID, Claim]:
    """Lease up to `limit` rows, those first that are due longest, by id. Rows that others hold are
    passed by.
    """
    rows = lease.claim(
        uow,
        "outgoing",
        "chain_id = %(chain_id)s AND state IN ('queued', 'signed', 'broadcast')"
        " AND due_at <= %(now)s",
        LEASE_SECONDS,
        limit,
        parameters={"chain_id": chain_id, "now": uow.now},
        order="due_at, id",
    )
    if not rows:
        return {}
    keys = [(row["organisation_id"], row["id"]) for row in rows]
    found = uow.session.scalars(
        select(Outgoing).where(tuple_(Outgoing.organisation_id, Outgoing.id).in_(keys))
    )
    return reload(uow, found.all())


def lock_mine(uow: UnitOfWork, claims: Sequence[Claim]) -> list[Outgoing]:
    """The rows, locked in the order of their ids, whose claims still stand; the others were taken
    over by another process.
    """
    keys = [(*_key(claim), claim.fence) for claim in claims]
    place = tuple_(Outgoing.organisation_id, Outgoing.id, Outgoing.attempt)
    query = (
        select(Outgoing)
        .where(place.in_(keys))
        .order_by(Outgoing.id)
        .with_for_update()
        .options(defer(Outgoing.payload))
    )
    rows = list(uow.session.scalars(query)) if keys else []
    payloads = {claim.outgoing.id: claim.outgoing.payload for claim in claims}
    for row in rows:  # it never changes (a trigger's word), and may be long
        set_committed_value(row, "payload", payloads[row.id])
    return rows


def plan(uow: UnitOfWork, plans: Sequence[tuple[Claim, int, AttemptKind, Fees]]) -> None:
    """Keep the fees of attempts before the signer is asked; a refused plan is made anew."""
    if not plans:
        return
    rows = [
        {
            "organisation_id": claim.outgoing.organisation_id,
            "outgoing_id": claim.outgoing.id,
            "attempt": number,
            "kind": kind,
            "gas": fees.gas,
            "max_fee_per_gas_wei": fees.max_fee_per_gas_wei,
            "max_priority_fee_per_gas_wei": fees.max_priority_fee_per_gas_wei,
            "planned_at": uow.now,
            "refused": None,
        }
        for claim, number, kind, fees in plans
    ]
    key = ("organisation_id", "outgoing_id", "attempt")
    new = insert(OutgoingAttempt)
    again = {name: new.excluded[name] for name in rows[0] if name not in key}
    uow.session.execute(new.values(rows).on_conflict_do_update(index_elements=key, set_=again))


def store(uow: UnitOfWork, signed: Sequence[tuple[Claim, int, SignedAttempt]]) -> None:
    """Keep the signed bytes. From here on the transactions may be anywhere in the world."""
    statement = (
        update(OutgoingAttempt)
        .where(
            OutgoingAttempt.organisation_id == bindparam("of"),
            OutgoingAttempt.outgoing_id == bindparam("row"),
            OutgoingAttempt.attempt == bindparam("number"),
            OutgoingAttempt.raw.is_(None),
        )
        .values(raw=bindparam("bytes"), hash=bindparam("name"), stored_at=uow.now)
    )
    rows = [
        {
            "of": claim.outgoing.organisation_id,
            "row": claim.outgoing.id,
            "number": number,
            "bytes": attempt.raw,
            "name": attempt.hash,
        }
        for claim, number, attempt in signed
    ]
    if rows:
        uow.session.connection().execute(statement, rows)


def mark_refused(uow: UnitOfWork, claim: Claim, number: int, sentence: str) -> None:
    """The signer would not sign this one."""
    uow.session.execute(
        update(OutgoingAttempt).where(*_attempt(claim, number)).values(refused=sentence)
    )


def mark_broadcast(uow: UnitOfWork, sent: Sequence[tuple[Claim, int]]) -> None:
    """A node was handed these attempts."""
    place = tuple_(
        OutgoingAttempt.organisation_id, OutgoingAttempt.outgoing_id, OutgoingAttempt.attempt
    )
    uow.session.execute(
        update(OutgoingAttempt)
        .where(place.in_([(*_key(claim), number) for claim, number in sent]))
        .values(
            first_broadcast_at=func.coalesce(OutgoingAttempt.first_broadcast_at, uow.now),
            last_broadcast_at=uow.now,
        )
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


def reload(uow: UnitOfWork, rows: Sequence[Outgoing]) -> dict[UUID, Claim]:
    """The claims as they stand now, by id."""
    uow.session.flush()
    place = tuple_(OutgoingAttempt.organisation_id, OutgoingAttempt.outgoing_id)
    attempts: dict[UUID, list[OutgoingAttempt]] = {row.id: [] for row in rows}
    for attempt in uow.session.scalars(
        select(OutgoingAttempt)
        .where(place.in_([(row.organisation_id, row.id) for row in rows]))
        .order_by(OutgoingAttempt.attempt)
        .execution_options(populate_existing=True)
    ):
        attempts[attempt.outgoing_id].append(attempt)
    return {row.id: _claim(row, attempts[row.id]) for row in rows}


def _claim(row: Outgoing, attempts: Sequence[OutgoingAttempt]) -> Claim:
    states = tuple(
        AttemptState(
            number=attempt.attempt,
            kind=attempt.kind,
            fees=Fees(
                attempt.gas, attempt.max_fee_per_gas_wei, attempt.max_priority_fee_per_gas_wei
            ),
            signed=attempt.raw is not None,
            refused=attempt.refused is not None,
            planned_at=attempt.planned_at,
            first_broadcast_at=attempt.first_broadcast_at,
        )
        for attempt in attempts
    )
    raw = {attempt.attempt: attempt.raw for attempt in attempts if attempt.raw is not None}
    return Claim(row.view(), row.attempt, row.cancel_requested_at is not None, states, raw)


def _key(claim: Claim) -> tuple[UUID, UUID]:
    return claim.outgoing.organisation_id, claim.outgoing.id


def _attempt(claim: Claim, number: int) -> tuple[ColumnElement[bool], ...]:
    return (
        OutgoingAttempt.organisation_id == claim.outgoing.organisation_id,
        OutgoingAttempt.outgoing_id == claim.outgoing.id,
        OutgoingAttempt.attempt == number,
    )

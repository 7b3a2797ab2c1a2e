"""Rows of the relay as its loop reads and writes them, each change fenced by the claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from strongroom.db import lease
from strongroom.db.database import UnitOfWork
from strongroom.relay.models import Outgoing, OutgoingAttempt
from strongroom.relay.rules import AttemptState
from strongroom.relay.types import AttemptKind, Fees, OutgoingView, SignedAttempt

LEASE_SECONDS: Final = 20
"""How long a dead process keeps a row; a slow one that outlives it is stopped by the fence."""


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


def claim_next(uow: UnitOfWork, chain_id: int) -> Claim | None:
    """Lease the row that is due longest, if there is one. Rows that others hold are passed by."""
    rows = lease.claim(
        uow,
        "outgoing",
        "chain_id = %(chain_id)s AND state IN ('queued', 'signed', 'broadcast')"
        " AND due_at <= %(now)s",
        LEASE_SECONDS,
        1,
        parameters={"chain_id": chain_id, "now": uow.now},
        order="due_at, id",
    )
    if not rows:
        return None
    row = uow.session.get_one(Outgoing, (rows[0]["organisation_id"], rows[0]["id"]))
    return _claim(row, _attempts(uow, row.organisation_id, row.id))


def lock_mine(uow: UnitOfWork, claim: Claim) -> Outgoing | None:
    """The row, locked, if the claim still stands; None when another process took it over."""
    organisation_id, outgoing_id = _key(claim)
    if not lease.still_mine(
        uow, "outgoing", outgoing_id, claim.fence, organisation_id=organisation_id
    ):
        return None
    return uow.session.get_one(Outgoing, (organisation_id, outgoing_id))


def plan(uow: UnitOfWork, claim: Claim, number: int, kind: AttemptKind, fees: Fees) -> None:
    """Keep the fees of an attempt before the signer is asked; a refused plan is made anew."""
    found = uow.session.get(OutgoingAttempt, (*_key(claim), number))
    if found is None:
        found = OutgoingAttempt(
            organisation_id=claim.outgoing.organisation_id,
            outgoing_id=claim.outgoing.id,
            attempt=number,
            kind=kind,
        )
        uow.session.add(found)
    found.kind = kind
    found.gas = fees.gas
    found.max_fee_per_gas_wei = fees.max_fee_per_gas_wei
    found.max_priority_fee_per_gas_wei = fees.max_priority_fee_per_gas_wei
    found.planned_at = uow.now
    found.refused = None


def store(uow: UnitOfWork, claim: Claim, number: int, signed: SignedAttempt) -> None:
    """Keep the signed bytes. From here on the transaction may be anywhere in the world."""
    uow.session.execute(
        update(OutgoingAttempt)
        .where(*_attempt(claim, number), OutgoingAttempt.raw.is_(None))
        .values(raw=signed.raw, hash=signed.hash, stored_at=uow.now)
    )


def mark_refused(uow: UnitOfWork, claim: Claim, number: int, sentence: str) -> None:
    """The signer would not sign this one."""
    uow.session.execute(
        update(OutgoingAttempt).where(*_attempt(claim, number)).values(refused=sentence)
    )


def mark_broadcast(uow: UnitOfWork, claim: Claim, number: int) -> None:
    """A node was handed this attempt."""
    found = uow.session.get_one(OutgoingAttempt, (*_key(claim), number))
    if found.first_broadcast_at is None:
        found.first_broadcast_at = uow.now
    found.last_broadcast_at = uow.now


def reload(uow: UnitOfWork, row: Outgoing) -> Claim:
    """The claim as it stands now, after a step."""
    uow.session.flush()
    return _claim(row, _attempts(uow, row.organisation_id, row.id))


def _attempts(uow: UnitOfWork, organisation_id: UUID, outgoing_id: UUID) -> list[OutgoingAttempt]:
    return list(
        uow.session.scalars(
            select(OutgoingAttempt)
            .where(
                OutgoingAttempt.organisation_id == organisation_id,
                OutgoingAttempt.outgoing_id == outgoing_id,
            )
            .order_by(OutgoingAttempt.attempt)
            .execution_options(populate_existing=True)
        )
    )


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

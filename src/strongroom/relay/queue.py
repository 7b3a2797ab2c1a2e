"""The queue as people look at it: each transaction that is not over, with what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from strongroom.db.database import UnitOfWork
from strongroom.relay.advice import Advice, Entry, Standing, advise
from strongroom.relay.models import Outgoing, OutgoingAttempt, Purse
from strongroom.relay.types import OutgoingView, PurseView

QUEUE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Queued:
    """One of them, with its age in seconds and how many attempts were signed."""

    outgoing: OutgoingView
    age_seconds: int
    attempts: int
    advice: Advice


def queue(uow: UnitOfWork, chain_id: int, limit: int = QUEUE_MAX) -> list[Queued]:
    """What is not over yet, by key and nonce; of one organisation, or of all for the relay."""
    rows = uow.session.scalars(
        select(Outgoing)
        .where(
            Outgoing.chain_id == chain_id,
            Outgoing.state.in_(("queued", "signed", "broadcast", "mined")),
        )
        .order_by(Outgoing.sender.nulls_last(), Outgoing.nonce, Outgoing.id)
        .limit(min(limit, QUEUE_MAX))
    ).all()
    counts = _attempts(uow, [row.id for row in rows])
    standings = {purse.address: _standing(purse) for purse in _purses(uow, chain_id)}
    known: dict[bytes | None, set[int]] = {}
    for row in rows:
        if row.nonce is not None:
            known.setdefault(row.sender, set()).add(row.nonce)
    return [
        Queued(
            row.view(),
            int((uow.now - row.created_at).total_seconds()),
            counts.get(row.id, 0),
            advise(
                Entry(
                    row.purpose,
                    row.state,
                    row.nonce,
                    uow.now - row.created_at,
                    counts.get(row.id, 0),
                    row.last_error,
                    frozenset(known.get(row.sender, ())),
                ),
                standings.get(row.sender or b""),
            ),
        )
        for row in rows
    ]


def purses(uow: UnitOfWork, chain_id: int) -> list[PurseView]:
    """Gas money of our keys as it was seen last."""
    return [
        PurseView(
            organisation_id=purse.organisation_id,
            address=purse.address,
            balance_wei=purse.balance_wei,
            transactions_left=purse.transactions_left,
            state=purse.state,
            since=purse.since,
            checked_at=purse.checked_at,
        )
        for purse in _purses(uow, chain_id)
    ]


def _purses(uow: UnitOfWork, chain_id: int) -> Sequence[Purse]:
    query = select(Purse).where(Purse.chain_id == chain_id).order_by(Purse.address)
    return uow.session.scalars(query).all()


def _standing(purse: Purse) -> Standing:
    return Standing(
        purse.mined_nonce, purse.pending_nonce, purse.finalized_nonce, purse.state == "dry"
    )


def _attempts(uow: UnitOfWork, ids: Sequence[UUID]) -> dict[UUID, int]:
    found = uow.session.execute(
        select(OutgoingAttempt.outgoing_id, func.count())
        .where(OutgoingAttempt.outgoing_id.in_(ids), OutgoingAttempt.raw.is_not(None))
        .group_by(OutgoingAttempt.outgoing_id)
    )
    return {row[0]: row[1] for row in found}

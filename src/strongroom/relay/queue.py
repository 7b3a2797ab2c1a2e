"""The queue as people look at it: each transaction that is not over, with what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg.rows import dict_row
from sqlalchemy import select

from strongroom.db.database import UnitOfWork
from strongroom.relay.advice import Advice, Entry, Standing, advise
from strongroom.relay.models import Purse
from strongroom.relay.types import VIEWED, OutgoingView, PurseView, view_of

QUEUE_MAX = 1_000
_OPEN = f"SELECT {', '.join(VIEWED)}, created_at FROM outgoing WHERE chain_id = %(chain)s"  # noqa: S608 - own constant
_QUEUE = (
    "SELECT q.*, (SELECT count(*) FROM outgoing_attempt AS a WHERE a.raw IS NOT NULL"  # noqa: S608 - own constant
    "  AND (a.organisation_id, a.outgoing_id) = (q.organisation_id, q.id)) AS signed"
    f" FROM (({_OPEN} AND state IN ('queued', 'signed', 'broadcast')) UNION ALL"
    f"  ({_OPEN} AND state = 'mined') ORDER BY sender NULLS LAST, nonce, id LIMIT %(limit)s) AS q"
).encode()
"""Two halves, each by an index of its own: what is over for good is never read."""


@dataclass(frozen=True, slots=True)
class Queued:
    """One of them, without its payload; its age in seconds; how many attempts were signed."""

    outgoing: OutgoingView
    age_seconds: int
    attempts: int
    advice: Advice


def queue(uow: UnitOfWork, chain_id: int, limit: int = QUEUE_MAX) -> list[Queued]:
    """What is not over yet, by key and nonce; of one organisation, or of all for the relay."""
    cursor = uow.driver.cursor(row_factory=dict_row)
    values = {"chain": chain_id, "limit": min(limit, QUEUE_MAX)}
    rows = cursor.execute(_QUEUE, values).fetchall()
    standings = {purse.address: _standing(purse) for purse in _purses(uow, chain_id)}
    known: dict[bytes | None, set[int]] = {}
    for row in rows:
        if row["nonce"] is not None:
            known.setdefault(row["sender"], set()).add(row["nonce"])
    return [
        _queued(row, uow.now - row["created_at"], known.get(row["sender"], set()), standings)
        for row in rows
    ]


def _queued(
    row: Mapping[str, Any],
    age: timedelta,
    known: set[int],
    standings: Mapping[bytes, Standing],
) -> Queued:
    entry = Entry(
        row["purpose"],
        row["state"],
        row["nonce"],
        age,
        row["signed"],
        row["last_error"],
        frozenset(known),
    )
    advice = advise(entry, standings.get(row["sender"] or b""))
    return Queued(view_of(row), int(age.total_seconds()), row["signed"], advice)


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

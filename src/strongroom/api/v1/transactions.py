"""Transactions on their way to the chain: what each waits for, and the gas money of our keys."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from strongroom.api.query import Reading
from strongroom.api.shapes import Shown
from strongroom.db.database import UnitOfWork
from strongroom.relay.queue import Queued, purses, queue
from strongroom.relay.types import PurseView
from strongroom_protocol.addresses import Address, checksum

router = APIRouter(prefix="/transactions", tags=["transactions"])


class TransactionOut(Shown):
    """One that is not over. `gap`: nonces before it that nobody here knows; `stuck`: it does not go
    on by itself, and `what_to_do` says what people should do.
    """

    id: UUID
    purpose: str
    state: str
    sender: str | None
    nonce: int | None
    gap: int
    age_seconds: int
    attempts: int
    waits_for: str
    what_to_do: str
    stuck: bool
    revert_reason: str | None = Field(description="Why it was mined and did nothing, decoded.")

    @classmethod
    def of(cls, row: Queued) -> "TransactionOut":
        """Show a row."""
        one, advice = row.outgoing, row.advice
        return cls(
            id=one.id,
            purpose=one.purpose,
            state=one.state,
            sender=None if one.sender is None else checksum(Address(one.sender)),
            nonce=one.nonce,
            gap=advice.gap,
            age_seconds=row.age_seconds,
            attempts=row.attempts,
            waits_for=advice.waits_for,
            what_to_do=advice.what_to_do,
            stuck=advice.stuck,
            revert_reason=one.revert_reason,
        )


class PurseOut(Shown):
    """Gas money of a key that sends; `state` is ok, low or dry since `since`."""

    address: str
    balance_wei: str
    transactions_left: int = Field(description="Usual transactions at the present price.")
    state: str
    since: datetime
    checked_at: datetime

    @classmethod
    def of(cls, purse: PurseView) -> "PurseOut":
        """Show a purse."""
        return cls(
            address=checksum(Address(purse.address)),
            balance_wei=str(purse.balance_wei),
            transactions_left=purse.transactions_left,
            state=purse.state,
            since=purse.since,
            checked_at=purse.checked_at,
        )


class QueueOut(Shown):
    """The organisation's transactions by key and nonce, and its keys."""

    transactions: list[TransactionOut]
    purses: list[PurseOut]


@router.get("/queue")
def show(query: Reading) -> QueueOut:
    """What is on its way to the chain, what it waits for, and what to do about it: the caller's
    organisation's, for operators the house's.
    """
    chains = list(query.services.signers)

    def look(uow: UnitOfWork) -> QueueOut:
        return QueueOut(
            transactions=[
                TransactionOut.of(row) for chain_id in chains for row in queue(uow, chain_id)
            ],
            purses=[PurseOut.of(key) for chain_id in chains for key in purses(uow, chain_id)],
        )

    return query.run(look)

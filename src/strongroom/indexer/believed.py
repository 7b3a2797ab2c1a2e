"""What we believed at a moment: blocks, transfers and balances as they stood here then.

A row is believed from seen_at until orphaned_at; nothing is deleted, so that every moment since the
chain was first followed can still be asked about.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from strongroom.db.database import UnitOfWork
from strongroom.ledger import service as ledger
from strongroom.ledger.types import CustodyTotal

ROWS_MAX: Final = 1_000
_STATE: Final = (
    "CASE WHEN b.finalized_at <= %(at)s THEN 'finalized' WHEN b.safe_at <= %(at)s THEN 'safe'"
    " WHEN b.confirmed_at <= %(at)s THEN 'confirmed' ELSE 'seen' END"
)
_THEN: Final = (
    "b.chain_id = %(chain)s AND b.seen_at <= %(at)s"
    " AND (b.orphaned_at IS NULL OR b.orphaned_at > %(at)s)"
)


@dataclass(frozen=True, slots=True)
class BlockThen:
    """A block as it was believed. `orphaned_at`: when it was given up later; None = to this day."""

    height: int
    hash: bytes
    sighting: int
    time: datetime
    state: str
    seen_at: datetime
    orphaned_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransferThen:
    """A transfer as it was believed, with its block's hash, state and fate."""

    height: int
    block_hash: bytes
    tx_hash: bytes
    position: int
    token: bytes | None
    sender: bytes
    recipient: bytes
    units: int
    kind: str
    state: str
    orphaned_at: datetime | None


@dataclass(frozen=True, slots=True)
class Belief:
    """One chain at one moment. `head` None: nothing of it was known. Newest rows first, ROWS_MAX at
    most; `balances`: what the books had in custody.
    """

    chain_id: int
    at: datetime
    head: BlockThen | None
    blocks: tuple[BlockThen, ...]
    transfers: tuple[TransferThen, ...]
    balances: tuple[CustodyTotal, ...]


def believed(
    uow: UnitOfWork, chain_id: int, at: datetime, *, below: int | None = None, limit: int = ROWS_MAX
) -> Belief:
    """What the unit's organisation, or the house when it has none, believed of a chain.

    `below`: rows of lower blocks only, to turn the page.
    """
    asked = {"chain": chain_id, "at": at, "below": below, "limit": min(limit, ROWS_MAX)}
    organisation_id = uow.organisation_id
    blocks = _blocks(uow, asked, touched=True)
    head = _blocks(uow, asked | {"below": None, "limit": 1}, touched=False)
    return Belief(
        chain_id=chain_id,
        at=at,
        head=head[0] if head else None,
        blocks=tuple(blocks),
        transfers=tuple(_transfers(uow, asked, organisation_id)),
        balances=tuple(ledger.custody_believed(uow, organisation_id, chain_id, at, ROWS_MAX)),
    )


def _blocks(uow: UnitOfWork, asked: dict[str, object], *, touched: bool) -> list[BlockThen]:
    found = uow.execute(
        "SELECT b.height, b.block_hash, b.sighting, b.block_time,"  # noqa: S608 - own constants
        f" {_STATE}, b.seen_at, b.orphaned_at FROM chain_block AS b WHERE {_THEN}"
        " AND (b.touched OR NOT %(touched)s)"
        " AND (b.height < %(below)s OR %(below)s::bigint IS NULL)"
        " ORDER BY b.height DESC LIMIT %(limit)s",
        asked | {"touched": touched},
    )
    return [BlockThen(*row) for row in found]


def _transfers(
    uow: UnitOfWork, asked: dict[str, object], organisation_id: UUID | None
) -> list[TransferThen]:
    source = "chain_transfer" if organisation_id is None else "own_transfer"
    found = uow.execute(
        "SELECT t.height, b.block_hash, t.tx_hash, t.position, t.token,"  # noqa: S608 - own constants
        f" t.sender, t.recipient, t.units, t.kind, {_STATE}, b.orphaned_at"
        f" FROM {source} AS t JOIN chain_block AS b ON b.id = t.block_id"
        f" WHERE {_THEN} AND t.seen_at <= %(at)s"
        " AND (t.height < %(below)s OR %(below)s::bigint IS NULL)"
        " ORDER BY t.height DESC, t.tx_hash, t.position LIMIT %(limit)s",
        asked,
    )
    moves = (TransferThen(*row) for row in found)
    return [replace(move, units=int(move.units)) for move in moves]

"""What was believed of the chain at a moment: for compliance and auditors."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import Shown
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.identity.types import Role
from strongroom.indexer import believed as beliefs
from strongroom.indexer.believed import Belief, BlockThen, TransferThen
from strongroom_protocol.addresses import checksum

router = APIRouter(tags=["compliance"])
WATCHING = [Depends(needs(Role.COMPLIANCE, Role.OWNER, Role.AUDITOR))]


class BlockThenOut(Shown):
    """A block with its state then; `given_up_at`: when it turned out to be no part of the chain."""

    height: int
    hash: str
    sighting: int
    time: datetime
    state: str
    seen_at: datetime
    given_up_at: datetime | None

    @classmethod
    def of(cls, view: BlockThen) -> "BlockThenOut":
        """Show a view."""
        return cls(
            height=view.height,
            hash="0x" + view.hash.hex(),
            sighting=view.sighting,
            time=view.time,
            state=view.state,
            seen_at=view.seen_at,
            given_up_at=view.orphaned_at,
        )


class TransferThenOut(Shown):
    """A transfer from or to an address of the organisation, in smallest units."""

    height: int
    block_hash: str
    tx_hash: str
    position: int
    kind: str
    token: str | None
    sender: str
    recipient: str
    units: str
    state: str
    given_up_at: datetime | None

    @classmethod
    def of(cls, view: TransferThen) -> "TransferThenOut":
        """Show a view."""
        return cls(
            height=view.height,
            block_hash="0x" + view.block_hash.hex(),
            tx_hash="0x" + view.tx_hash.hex(),
            position=view.position,
            kind=view.kind,
            token=None if view.token is None else checksum(view.token),
            sender=checksum(view.sender),
            recipient=checksum(view.recipient),
            units=str(view.units),
            state=view.state,
            given_up_at=view.orphaned_at,
        )


class HeldThenOut(Shown):
    """What the books had in one custody account."""

    account: str
    asset: str
    units: str


class BeliefOut(Shown):
    """The chain as it was believed at `at`. `head`: the newest block then, null when none was."""

    chain_id: int
    at: datetime
    head: BlockThenOut | None
    blocks: list[BlockThenOut]
    transfers: list[TransferThenOut]
    balances: list[HeldThenOut]

    @classmethod
    def of(cls, view: Belief) -> "BeliefOut":
        """Show a view."""
        return cls(
            chain_id=view.chain_id,
            at=view.at,
            head=None if view.head is None else BlockThenOut.of(view.head),
            blocks=[BlockThenOut.of(block) for block in view.blocks],
            transfers=[TransferThenOut.of(move) for move in view.transfers],
            balances=[
                HeldThenOut(account=held.code, asset=held.asset, units=str(held.units))
                for held in view.balances
            ],
        )


@router.get("/chain/believed", dependencies=WATCHING)
def believed(
    query: Reading,
    at: Annotated[AwareDatetime, Query()],
    below: Annotated[int | None, Query(ge=0)] = None,
    limit: Annotated[int, Query(ge=1, le=beliefs.ROWS_MAX)] = 100,
) -> BeliefOut:
    """Blocks, transfers and balances as they stood in our books at a moment, reorganisations and
    all; newest first, `below` a height for older ones.
    """

    def look(uow: UnitOfWork) -> BeliefOut:
        chain_id = identity.organisation(uow).chain_id
        return BeliefOut.of(beliefs.believed(uow, chain_id, at, below=below, limit=limit))

    return query.run(look)

"""Deposits: what came in, where it stands, and what screening said."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter

from strongroom.api.query import Reading
from strongroom.api.shapes import After, Page, PageSize, Shown, page
from strongroom.deposits import service as deposits
from strongroom.deposits.types import DepositView
from strongroom_protocol.addresses import checksum
from strongroom_protocol.amounts import Amount, Asset, format_amount

router = APIRouter(prefix="/deposits", tags=["deposits"])


class DepositOut(Shown):
    """A transfer to one of the organisation's addresses. `asset` is null for unlisted tokens."""

    id: UUID
    state: str
    chain_state: str
    asset: str | None
    token: str | None
    amount: str | None
    units: str
    address: str
    account: str
    payer: str
    tx_hash: str
    height: int
    block_hash: str
    seen_at: datetime
    settled_at: datetime | None
    swept_at: datetime | None

    @classmethod
    def of(cls, view: DepositView) -> "DepositOut":
        """Show a view."""
        amount = None
        if view.asset is not None:
            amount = format_amount(Amount(view.units, Asset(view.asset)))
        return cls(
            id=view.id,
            state=view.state,
            chain_state=view.chain_state,
            asset=view.asset,
            token=None if view.token is None else checksum(view.token),
            amount=amount,
            units=str(view.units),
            address=checksum(view.address),
            account=view.client_account.removeprefix("client:"),
            payer=checksum(view.payer),
            tx_hash="0x" + view.tx_hash.hex(),
            height=view.height,
            block_hash="0x" + view.block_hash.hex(),
            seen_at=view.seen_at,
            settled_at=view.settled_at,
            swept_at=view.swept_at,
        )


@router.get("")
def listing(query: Reading, after: After = None, limit: PageSize = 50) -> Page[DepositOut]:
    """Deposits, newest first."""
    rows = query.run(lambda uow: deposits.list_deposits(uow, after=after, limit=limit + 1))
    return page(rows, limit, DepositOut.of, lambda row: row.id)


@router.get("/{deposit_id}")
def detail(deposit_id: UUID, query: Reading) -> DepositOut:
    """One deposit."""
    return query.run(lambda uow: DepositOut.of(deposits.get(uow, deposit_id)))

"""How withdrawals are sent: what gas costs now, and several of them in one transaction."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.shapes import AddressText, Shown, Strict
from strongroom.api.v1.withdrawals import INITIATING, WithdrawalOut
from strongroom.db.database import UnitOfWork
from strongroom.withdrawals import service as withdrawals

router = APIRouter(prefix="/withdrawals", tags=["withdrawals"])


class BatchIn(Strict):
    """Payments of the vault that one transaction shall make, before they are approved."""

    withdrawals: Annotated[list[UUID], Field(min_length=2, max_length=32)]


class FeeOut(Shown):
    """One level: the tip, the most for a unit of gas and for all of it, in wei. `limited`: the
    policy allows less than the chain may ask for, so it may wait.
    """

    level: str
    priority_fee_wei: str
    max_fee_per_gas_wei: str
    max_fee_wei: str
    limited: bool


class FeesOut(Shown):
    """What gas costs now; no levels while the chain was not asked lately."""

    at: datetime | None
    levels: list[FeeOut]


class BatchOut(Shown):
    """The payments of a batch, in their order."""

    items: list[WithdrawalOut]


@router.get("/fees")
def fees(query: Reading, wallet: AddressText | None = None) -> FeesOut:
    """What the network asks for now, for a payment of the vault or of this spending key."""
    found = query.run(lambda uow: withdrawals.fees(uow, wallet))
    if found is None:
        return FeesOut(at=None, levels=[])
    at, levels = found
    return FeesOut(
        at=at,
        levels=[
            FeeOut(
                level=one.name,
                priority_fee_wei=str(one.priority_fee_wei),
                max_fee_per_gas_wei=str(one.max_fee_per_gas_wei),
                max_fee_wei=str(one.max_fee_wei),
                limited=one.limited,
            )
            for one in levels
        ],
    )


@router.post("/batches", response_model=BatchOut, status_code=201, dependencies=INITIATING)
def put_together(body: BatchIn, command: Posting) -> Response:
    """Have several payments of the vault made by one transaction: all of them, or none."""

    def act(uow: UnitOfWork) -> BatchOut:
        rows = withdrawals.put_together(uow, body.withdrawals)
        return BatchOut(items=[WithdrawalOut.of(row) for row in rows])

    return command.run(act)

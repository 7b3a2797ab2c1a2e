"""Sweeps: deposits on their way into the vault, when, and at what price."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import (
    After,
    AmountText,
    AssetCode,
    Page,
    PageSize,
    Shown,
    Strict,
    WeiText,
    page,
)
from strongroom.db.database import UnitOfWork
from strongroom.deposits import service as deposits
from strongroom.deposits.schedule import Schedule
from strongroom.deposits.sweeps import SweepView
from strongroom.identity import service as identity
from strongroom.identity.types import Role
from strongroom_protocol.addresses import checksum
from strongroom_protocol.amounts import Amount, Asset, format_amount, parse_amount

router = APIRouter(tags=["deposits"])
TREASURY = [Depends(needs(Role.OWNER, Role.ADMINISTRATOR))]
Minute = Annotated[int, Field(ge=0, le=1439)]


class ScheduleIn(Strict):
    """When the vault's deposit addresses are swept from now on. `minimums`: asset → the least that
    an address must hold of it. A window is in minutes of the day, UTC; it may go over midnight.
    """

    minimums: dict[AssetCode, AmountText] = Field(default_factory=dict, max_length=100)
    interval_seconds: Annotated[int, Field(ge=0, le=2_592_000)] = 0
    window_from_minute: Minute | None = None
    window_to_minute: Minute | None = None
    max_fee_per_gas_wei: WeiText | None = None


class ScheduleOut(Shown):
    """The schedule in force."""

    minimums: dict[str, str]
    interval_seconds: int
    window_from_minute: int | None
    window_to_minute: int | None
    max_fee_per_gas_wei: str | None

    @classmethod
    def of(cls, found: Schedule) -> "ScheduleOut":
        """Show a schedule."""
        cap = found.max_fee_per_gas_wei
        return cls(
            minimums={
                asset: format_amount(Amount(units, Asset(asset)))
                for asset, units in found.minimums.items()
            },
            interval_seconds=found.interval_seconds,
            window_from_minute=found.window_from_minute,
            window_to_minute=found.window_to_minute,
            max_fee_per_gas_wei=None if cap is None else str(cap),
        )


class SweepOut(Shown):
    """A transaction into the vault, or a deposit address that pays by itself (`leaf`)."""

    id: UUID
    kind: str
    state: str
    address: str | None
    deposits: int
    planned_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, view: SweepView) -> "SweepOut":
        """Show a view."""
        return cls(
            id=view.id,
            kind=view.kind,
            state=view.state,
            address=None if view.address is None else checksum(view.address),
            deposits=view.deposits,
            planned_at=view.planned_at,
            finished_at=view.finished_at,
        )


class Asked(Shown):
    """The worker plans within seconds what there is."""

    asked: bool


@router.get("/sweeps")
def listing(query: Reading, after: After = None, limit: PageSize = 50) -> Page[SweepOut]:
    """Sweeps, newest first."""
    rows = query.run(lambda uow: deposits.list_sweeps(uow, after=after, limit=limit + 1))
    return page(rows, limit, SweepOut.of, lambda row: row.id)


@router.post("/sweeps", response_model=Asked, status_code=202, dependencies=TREASURY)
def sweep_now(command: Posting) -> Response:
    """Sweep what is credited and final now, whatever the schedule says of minimum and time."""

    def work(uow: UnitOfWork) -> Asked:
        deposits.sweep_now(uow)
        return Asked(asked=True)

    return command.run(work, status=202)


@router.get("/sweep-schedule")
def schedule(query: Reading) -> ScheduleOut:
    """When deposit addresses are swept."""

    def look(uow: UnitOfWork) -> ScheduleOut:
        chain_id = identity.organisation(uow).chain_id
        return ScheduleOut.of(deposits.schedule_of(uow, chain_id))

    return query.run(look)


@router.post("/sweep-schedule", response_model=ScheduleOut, status_code=201, dependencies=TREASURY)
def set_schedule(body: ScheduleIn, command: Posting) -> Response:
    """Set another schedule; the one before stays on record."""
    cap = body.max_fee_per_gas_wei
    new = Schedule(
        minimums={
            asset: parse_amount(text, Asset(asset)).units for asset, text in body.minimums.items()
        },
        interval_seconds=body.interval_seconds,
        window_from_minute=body.window_from_minute,
        window_to_minute=body.window_to_minute,
        max_fee_per_gas_wei=None if cap is None else int(cap),
    )

    def work(uow: UnitOfWork) -> ScheduleOut:
        chain_id = identity.organisation(uow).chain_id
        return ScheduleOut.of(deposits.set_schedule(uow, chain_id, new))

    return command.run(work)

"""Deposits as others use them: listed for people; the verbs of the room's other files."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from strongroom.db.database import UnitOfWork
from strongroom.deposits.crediting import accept, accept_nobodys, ask_accept, look, settle
from strongroom.deposits.errors import DepositUnknown
from strongroom.deposits.models import Deposit
from strongroom.deposits.naming import book_named, unbooked
from strongroom.deposits.naming import look as look_named
from strongroom.deposits.settings import (
    NewRule,
    end_rule,
    rules_of,
    schedule_of,
    set_rule,
    set_schedule,
)
from strongroom.deposits.sweeps import list_sweeps, plan_sweep, plan_sweeps, release, sweep_now
from strongroom.deposits.types import DepositView

__all__ = [
    "NewRule",
    "Which",
    "accept",
    "accept_nobodys",
    "ask_accept",
    "book_named",
    "end_rule",
    "get",
    "list_deposits",
    "list_sweeps",
    "look",
    "look_named",
    "plan_sweep",
    "plan_sweeps",
    "release",
    "rules_of",
    "schedule_of",
    "set_rule",
    "set_schedule",
    "settle",
    "sweep_now",
    "unbooked",
]

PAGE_MAX = 500


@dataclass(frozen=True, slots=True)
class Which:
    """Which deposits to list; None says nothing."""

    customer_reference: str | None = None
    address: bytes | None = None
    disposition: str | None = None


def list_deposits(
    uow: UnitOfWork, after: UUID | None = None, limit: int = 50, which: Which | None = None
) -> list[DepositView]:
    """The organisation's deposits, newest first; `after` is the last id of the page before."""
    query = select(Deposit).where(Deposit.organisation_id == uow.organisation_id)
    for name in Which.__slots__:
        wanted = None if which is None else getattr(which, name)
        if wanted is not None:
            query = query.where(getattr(Deposit, name) == wanted)
    if after is not None:
        query = query.where(Deposit.id < after)
    newest_first = query.order_by(Deposit.id.desc()).limit(min(limit, PAGE_MAX))
    return [row.view() for row in uow.session.scalars(newest_first)]


def get(uow: UnitOfWork, deposit_id: UUID) -> DepositView:
    """One deposit of the unit's organisation. Raises DepositUnknown."""
    row = uow.session.get(Deposit, (uow.organisation_id, deposit_id))
    if row is None:
        raise DepositUnknown("The organisation has no such deposit.")
    return row.view()

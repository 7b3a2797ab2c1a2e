"""Custody accounts that nothing may leave until people have looked."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.wallets.errors import FreezeUnknown
from strongroom.wallets.models import CustodyFreeze
from strongroom.wallets.types import FreezeView


def freeze(
    uow: UnitOfWork, *, organisation_id: UUID, custody_code: str, asset: str, reason: str
) -> bool:
    """Freeze an account; False when it was frozen already."""
    added = uow.session.execute(
        insert(CustodyFreeze)
        .values(
            organisation_id=organisation_id,
            id=uow.new_id(),
            custody_code=custody_code,
            asset=asset,
            reason=reason,
            frozen_at=uow.now,
            lifted_at=None,
            lifted_by=None,
        )
        .on_conflict_do_nothing()
        .returning(CustodyFreeze.id)
    ).scalar_one_or_none()
    return added is not None


def freezes(uow: UnitOfWork) -> list[FreezeView]:
    """The standing freezes that this unit may see."""
    found = uow.session.scalars(
        select(CustodyFreeze).where(CustodyFreeze.lifted_at.is_(None)).order_by(CustodyFreeze.id)
    )
    return [
        FreezeView(row.id, row.custody_code, row.asset, row.reason, row.frozen_at) for row in found
    ]


def is_frozen(uow: UnitOfWork, custody_code: str, asset: str) -> bool:
    """Whether nothing may leave this account now."""
    found = uow.session.scalars(
        select(CustodyFreeze.id).where(
            CustodyFreeze.custody_code == custody_code,
            CustodyFreeze.asset == asset,
            CustodyFreeze.lifted_at.is_(None),
        )
    ).first()
    return found is not None


def lift_freeze(uow: UnitOfWork, freeze_id: UUID) -> None:
    """End a freeze of the unit's organisation. Raises FreezeUnknown."""
    row = uow.session.scalars(
        select(CustodyFreeze).where(
            CustodyFreeze.organisation_id == uow.organisation_id,
            CustodyFreeze.id == freeze_id,
            CustodyFreeze.lifted_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        raise FreezeUnknown("The organisation has no such standing freeze.")
    row.lifted_at = uow.now
    row.lifted_by = f"{uow.actor.kind}:{uow.actor.id}"
    body = {"account": row.custody_code, "asset": row.asset}
    auditlog.append(uow, "wallets.freeze_lifted", str(row.id), body)

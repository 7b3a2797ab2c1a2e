"""A vault's Safe nonces among its payments: who has the next one, who waits, which are used."""

from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import aliased

from strongroom.db.database import UnitOfWork
from strongroom.withdrawals import rules
from strongroom.withdrawals.models import Withdrawal


def slot_holder(uow: UnitOfWork, row: Withdrawal) -> Withdrawal | None:
    """The payment that has the vault's next Safe nonce now. The caller holds the vault's lock."""
    return uow.session.scalars(
        select(Withdrawal)
        .where(
            Withdrawal.organisation_id == row.organisation_id,
            Withdrawal.vault_id == row.vault_id,
            Withdrawal.safe_nonce.is_not(None),
            Withdrawal.state.in_(sorted(rules.HOLDS_SLOT)),
        )
        .order_by(Withdrawal.safe_nonce)
        .limit(1)
    ).one_or_none()


def next_safe_nonce(uow: UnitOfWork, row: Withdrawal) -> int:
    """One beyond the last nonce that is bound to an intent."""
    last = uow.session.scalar(
        select(func.max(Withdrawal.safe_nonce)).where(
            Withdrawal.organisation_id == row.organisation_id,
            Withdrawal.vault_id == row.vault_id,
            Withdrawal.bound_at.is_not(None),
        )
    )
    return 0 if last is None else int(last) + 1


def earlier_unmined(uow: UnitOfWork, row: Withdrawal) -> bool:
    """Whether a lower Safe nonce of the vault is bound and not yet consumed."""
    found = uow.session.scalar(
        select(Withdrawal.id)
        .where(
            Withdrawal.organisation_id == row.organisation_id,
            Withdrawal.vault_id == row.vault_id,
            Withdrawal.safe_nonce < row.safe_nonce,
            Withdrawal.state.in_(("binding", "signed", "broadcast", "voiding")),
        )
        .limit(1)
    )
    return found is not None


def oldest_queued(uow: UnitOfWork, organisation_id: UUID) -> UUID | None:
    """The next payment in the vault's line; a batch is in it once all of it are."""
    mate = aliased(Withdrawal)
    waits = exists().where(
        mate.organisation_id == Withdrawal.organisation_id,
        mate.batch_id == Withdrawal.batch_id,
        mate.state != "queued",
    )
    return uow.session.scalar(
        select(Withdrawal.id)
        .where(
            Withdrawal.organisation_id == organisation_id,
            Withdrawal.vault_id.is_not(None),
            Withdrawal.state == "queued",
            ~waits,
        )
        .order_by(Withdrawal.id)
        .limit(1)
    )


def numbered(uow: UnitOfWork, organisation_id: UUID) -> list[Withdrawal]:
    """What has a Safe nonce and has not ended or been mined, by nonce."""
    return list(
        uow.session.scalars(
            select(Withdrawal)
            .where(
                Withdrawal.organisation_id == organisation_id,
                Withdrawal.safe_nonce.is_not(None),
                Withdrawal.state.in_(sorted(rules.HOLDS_SLOT)),
            )
            .order_by(Withdrawal.safe_nonce, Withdrawal.id)
        )
    )


def consumed_nonce(uow: UnitOfWork, organisation_id: UUID) -> int:
    """The highest Safe nonce that a payment of ours, or its rejection, used on chain; -1: none."""
    last = uow.session.scalar(
        select(func.max(Withdrawal.safe_nonce)).where(
            Withdrawal.organisation_id == organisation_id,
            Withdrawal.bound_at.is_not(None),
            Withdrawal.state.not_in(sorted(rules.HOLDS_SLOT)),
        )
    )
    return -1 if last is None else int(last)

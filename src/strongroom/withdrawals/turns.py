"""A vault's Safe nonces are shared by its payments and its changes: whose turn it is."""

from typing import cast
from uuid import UUID

from sqlalchemy import func, select

from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.vaults import service as vaults
from strongroom.vaults.steps import Turn
from strongroom.withdrawals import rules, slots
from strongroom.withdrawals.lifecycle import TOPIC
from strongroom.withdrawals.models import Withdrawal


def vault_turn(uow: UnitOfWork) -> Turn:
    """What a change must know of the payments. Locks the vault. Raises VaultUnknown."""
    organisation_id = _own(uow)
    vault = vaults.lock(uow, organisation_id)
    of_vault = (Withdrawal.organisation_id == organisation_id, Withdrawal.vault_id == vault.id)
    reference = uow.session.scalar(
        select(Withdrawal.reference)
        .where(
            *of_vault,
            Withdrawal.safe_nonce.is_not(None),
            Withdrawal.state.in_(sorted(rules.HOLDS_SLOT)),
        )
        .order_by(Withdrawal.safe_nonce)
        .limit(1)
    )
    last = uow.session.scalar(
        select(func.max(Withdrawal.safe_nonce)).where(*of_vault, Withdrawal.bound_at.is_not(None))
    )
    holder = None if reference is None else f"the payment {reference}"
    return Turn(holder, 0 if last is None else int(last) + 1)


def take_turn(uow: UnitOfWork) -> None:
    """A change is over: the payment that waits longest is looked at."""
    organisation_id = _own(uow)
    waiting = slots.oldest_queued(uow, organisation_id)
    if waiting is not None:
        outbox.enqueue(
            uow,
            TOPIC,
            f"{waiting}:{uow.new_id()}",
            {"withdrawal_id": str(waiting)},
            organisation_id=organisation_id,
        )


def _own(uow: UnitOfWork) -> UUID:
    check(uow.organisation_id is not None, "a turn belongs to one organisation's vault")
    return cast(UUID, uow.organisation_id)

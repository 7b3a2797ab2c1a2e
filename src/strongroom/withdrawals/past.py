"""Orders of a period as they were given, for a policy's rehearsal. Reads only."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from strongroom.db.database import UnitOfWork
from strongroom.policy.rehearsal import PAYMENTS_MAX, PastPayment
from strongroom.withdrawals.models import Withdrawal, WithdrawalApproval
from strongroom.withdrawals.rules import BOUND
from strongroom_protocol.addresses import Address
from strongroom_protocol.windows import WINDOW_SECONDS_MAX

LEFT: Final = (BOUND | {"finalized"}) - {"voiding"}
_BEFORE: Final = timedelta(seconds=WINDOW_SECONDS_MAX)


def between(uow: UnitOfWork, begins: datetime, ends: datetime) -> list[PastPayment]:
    """The organisation's orders up to `ends`, by time, from the longest window before `begins`
    on; at most PAYMENTS_MAX of the period and as many before it.
    """
    rows = uow.session.scalars(
        select(Withdrawal)
        .where(
            Withdrawal.organisation_id == uow.organisation_id,
            Withdrawal.created_at >= begins - _BEFORE,
            Withdrawal.created_at < ends,
        )
        .order_by(Withdrawal.created_at)
        .limit(2 * PAYMENTS_MAX + 1)
    ).all()
    approvals: dict[object, set[str]] = {}
    found = uow.session.execute(
        select(WithdrawalApproval.withdrawal_id, WithdrawalApproval.person).where(
            WithdrawalApproval.organisation_id == uow.organisation_id,
            WithdrawalApproval.kind == "payment",
            WithdrawalApproval.withdrawal_id.in_([row.id for row in rows]),
        )
    )
    for withdrawal_id, person in found:
        approvals.setdefault(withdrawal_id, set()).add(person)
    return [_past(row, frozenset(approvals.get(row.id, ()))) for row in rows]


def _past(row: Withdrawal, approvers: frozenset[str]) -> PastPayment:
    is_vault = row.wallet_kind == "vault"
    return PastPayment(
        reference=row.reference,
        at=int(row.created_at.timestamp()),
        initiator=row.initiator,
        asset=row.asset,
        units=row.units,
        destination=Address(row.destination),
        wallet=None if is_vault else Address(row.wallet),
        vault=Address(row.wallet) if is_vault else None,
        approvers=approvers,
        left=row.state in LEFT,
    )

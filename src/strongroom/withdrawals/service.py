"""Withdrawals as the ways in use them; all work is done in the caller's unit, which commits.

What raises what is said where the work is done: requests.py, approvals.py, lifecycle.py.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.policy import service as policy
from strongroom.relay import service as relay
from strongroom.relay.types import FeeLevel
from strongroom.vaults import service as vaults
from strongroom.withdrawals import (
    approvals,
    batches,
    cold,
    counting,
    errors,
    fee_levels,
    lifecycle,
    rates,
    reminding,
    repository,
    requests,
    seen,
    wallet,
)
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.requests import TREASURY, prepare
from strongroom.withdrawals.seen import Seen
from strongroom.withdrawals.types import (
    ReminderView,
    SigningData,
    State,
    TransitionView,
    WithdrawalView,
)
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.amounts import format_amount
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.rates import RateStatement

__all__ = [
    "advance", "approve", "cancel", "export", "fees", "get", "history", "page", "policy_changed",
    "prepare", "put_together", "reject", "rejection_data", "remind", "reminders", "request",
    "signing_data", "signing_data_or_none", "take_in", "take_rate", "what_is_seen",
]  # fmt: skip


def request(
    uow: UnitOfWork,
    *,
    fields: Mapping[str, Any],
    initiator_signature: str,
    source: str = TREASURY,
    memo: str = "",
    fee_level: FeeLevel = "normal",
) -> WithdrawalView:
    """Take in a signed order; see requests.request for what it raises."""
    row = requests.request(
        uow,
        fields=fields,
        initiator_signature=initiator_signature,
        source=source,
        memo=memo,
        fee_level=fee_level,
    )
    return _view(uow, row)


def put_together(uow: UnitOfWork, ids: Sequence[UUID]) -> list[WithdrawalView]:
    """Have these payments of the vault sent in one transaction; see batches.form for what it
    raises.
    """
    chain_id = policy.active(uow, _own(uow)).bundle.chain_id
    multi_send = vaults.platform(uow, chain_id).deployment.multi_send
    rows = batches.form(uow, _own(uow), ids, multi_send)
    for row in rows:
        lifecycle.record(uow, row, more={"batch": str(row.batch_id), "place": row.batch_place})
    lifecycle.call_next(uow, rows[0])
    return [_view(uow, row) for row in rows]


def fees(
    uow: UnitOfWork, from_wallet: str | None = None
) -> tuple[datetime, list[fee_levels.Level]] | None:
    """The three fee levels for a payment by this wallet; none = the vault. Raises VaultMissing,
    IntentWrong.
    """
    active = policy.active(uow, _own(uow))
    address = None if from_wallet is None else parse_address(from_wallet)
    return fee_levels.levels(uow, active.bundle, wallet.find(uow, active, address))


def get(uow: UnitOfWork, withdrawal_id: UUID) -> WithdrawalView:
    """One withdrawal of the unit's organisation. Raises WithdrawalUnknown."""
    return _view(uow, repository.find(uow, _own(uow), withdrawal_id))


def page(
    uow: UnitOfWork, *, state: str | None = None, after: UUID | None = None, limit: int = 50
) -> list[WithdrawalView]:
    """The organisation's withdrawals, the newest first, those before `after`."""
    rows = repository.page(uow, _own(uow), state, after, limit)
    bundle = policy.active(uow, _own(uow)).bundle if rows else None
    return [_view(uow, row, bundle) for row in rows]


def history(uow: UnitOfWork, withdrawal_id: UUID) -> list[TransitionView]:
    """Each step of its life. Raises WithdrawalUnknown."""
    row = repository.find(uow, _own(uow), withdrawal_id)
    return [
        TransitionView(one.step, one.from_state, one.to_state, one.reason, one.actor, one.at)
        for one in repository.transitions(uow, row)
    ]


def signing_data(uow: UnitOfWork, withdrawal_id: UUID) -> SigningData:
    """What approvers sign now. Raises WithdrawalUnknown, NotAwaitingApproval."""
    found = signing_data_or_none(uow, withdrawal_id)
    if found is None:
        raise errors.NotAwaitingApproval("There is nothing to sign for this withdrawal now.")
    return found


def signing_data_or_none(uow: UnitOfWork, withdrawal_id: UUID) -> SigningData | None:
    """What approvers sign now, if anything. Raises WithdrawalUnknown."""
    return approvals.signing_data(uow, repository.find(uow, _own(uow), withdrawal_id))


def what_is_seen(uow: UnitOfWork, withdrawal_id: UUID) -> Seen | None:
    """Lines, cautions and simulation of what is to be signed now. Raises WithdrawalUnknown."""
    return seen.seen(uow, repository.find(uow, _own(uow), withdrawal_id))


def reminders(uow: UnitOfWork, withdrawal_id: UUID) -> list[ReminderView]:
    """Who was reminded of it, the first time first. Raises WithdrawalUnknown."""
    row = repository.find(uow, _own(uow), withdrawal_id)
    return [
        ReminderView(one.number, tuple(one.people), one.sentence, one.at)
        for one in repository.reminders(uow, row)
    ]


def take_rate(uow: UnitOfWork, document: object, signature: str) -> RateStatement:
    """Keep a price that a source of the policy signed; see rates.take for what it raises."""
    return rates.take(uow, _own(uow), document, signature)


def approve(
    uow: UnitOfWork,
    withdrawal_id: UUID,
    *,
    approver: str,
    signature: str,
    payment_signature: str | None = None,
) -> WithdrawalView:
    """Count one person's approval; see approvals.approve for what it raises."""
    row = repository.lock(uow, _own(uow), withdrawal_id)
    approvals.approve(
        uow,
        row,
        approver=approver,
        signature=signature,
        payment_signature=payment_signature,
    )
    return _view(uow, row)


def rejection_data(uow: UnitOfWork, withdrawal_id: UUID, reason: str) -> Mapping[str, Any]:
    """What is signed to reject or to cancel. Raises WithdrawalUnknown, FieldInvalid."""
    row = repository.find(uow, _own(uow), withdrawal_id)
    chain_id = policy.active(uow, row.organisation_id).bundle.chain_id
    return approvals.rejection(row, reason).as_json(chain_id)


def reject(
    uow: UnitOfWork, withdrawal_id: UUID, *, person: str, reason: str, signature: str
) -> WithdrawalView:
    """An approver's final no; see approvals.reject for what it raises."""
    row = repository.lock(uow, _own(uow), withdrawal_id)
    approvals.reject(uow, row, person=person, reason=reason, signature=signature)
    return _view(uow, row)


def cancel(uow: UnitOfWork, withdrawal_id: UUID, *, reason: str, signature: str) -> WithdrawalView:
    """The initiator takes it back; see approvals.cancel for what it raises."""
    row = repository.lock(uow, _own(uow), withdrawal_id)
    approvals.cancel(uow, row, reason=reason, signature=signature)
    return _view(uow, row)


def export(
    uow: UnitOfWork, withdrawal_id: UUID, *, policies_after: int = 0, attempt: int | None = None
) -> dict[str, Any]:
    """The file for the offline machine of a cold wallet; see cold.export for what it raises."""
    row = repository.find(uow, _own(uow), withdrawal_id)
    return cold.export(uow, row, policies_after=policies_after, attempt=attempt)


def take_in(uow: UnitOfWork, withdrawal_id: UUID, document: Mapping[str, Any]) -> WithdrawalView:
    """Take in what it signed; see cold.take_in for what it raises."""
    row = repository.lock(uow, _own(uow), withdrawal_id)
    cold.take_in(uow, row, document)
    return _view(uow, row)


def advance(uow: UnitOfWork, withdrawal_id: UUID) -> None:
    """Go as far as it can without people; repeatable. Raises WithdrawalUnknown."""
    row = repository.lock(uow, _own(uow), withdrawal_id)
    lifecycle.advance(uow, row)
    approvals.count_again(uow, row)


def remind(uow: UnitOfWork, withdrawal_id: UUID, number: int) -> None:
    """Remind whoever's turn it is; a number counts once. Raises WithdrawalUnknown."""
    reminding.remind(uow, repository.lock(uow, _own(uow), withdrawal_id), number)


def policy_changed(uow: UnitOfWork, version: int) -> None:
    """End what was ordered under an older policy and is not permitted yet: it can't be paid."""
    for withdrawal_id in repository.outdated(uow, _own(uow), version):
        lifecycle.advance(uow, repository.lock(uow, _own(uow), withdrawal_id))


def _view(uow: UnitOfWork, row: Withdrawal, active: Bundle | None = None) -> WithdrawalView:
    bundle = active or policy.active(uow, row.organisation_id).bundle
    return WithdrawalView(
        id=row.id,
        intent=row.intent,
        fields=row.fields,
        state=cast(State, row.state),
        reason=row.reason,
        rule_id=row.rule_id,
        reference=row.reference,
        asset=row.asset,
        amount=format_amount(lifecycle.amount_of(row)),
        to=checksum(row.destination),
        wallet=checksum(row.wallet),
        wallet_kind=row.wallet_kind,
        source=row.source,
        initiator=row.initiator,
        valid_until=row.valid_until,
        policy_version=row.policy_version,
        safe_nonce=row.safe_nonce,
        safe_tx_hash=row.safe_tx_hash,
        required=counting.required(uow, row, bundle),
        approvals=counting.views(uow, row, bundle),
        tx_hash=_tx_hash(uow, row),
        created_at=row.created_at,
        memo=row.memo,
        fee_level=cast(FeeLevel, row.fee_level),
        max_fee_wei=int(row.fields["maxFeeWei"]),
        batch=row.batch_id,
    )


def _tx_hash(uow: UnitOfWork, row: Withdrawal) -> bytes | None:
    newest = next((permit.outgoing_id for permit in repository.permits(uow, row)), row.outgoing_id)
    return None if newest is None else relay.latest_hash(uow, row.organisation_id, newest)


def _own(uow: UnitOfWork) -> UUID:
    check(uow.organisation_id is not None, "withdrawals are read in a unit of one organisation")
    return cast(UUID, uow.organisation_id)

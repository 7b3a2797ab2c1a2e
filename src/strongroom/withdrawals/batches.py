"""Several payments of a vault in one Safe transaction: all are paid, or none.

Each stays a withdrawal of its own, with its order, its approvals and its hold. A batch is formed
and dissolved while nothing of ours is signed; who leaves it takes it apart, and the others go on
alone.
From binding on they share one nonce, and its rejection ends them all.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from strongroom.db.database import UnitOfWork
from strongroom.relay.types import FeeLevel
from strongroom.withdrawals import errors, repository, rules
from strongroom.withdrawals.models import Withdrawal
from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.safe import Payment, SafeTx, batch_safe_tx

PAYMENTS_MAX: Final = 32
"""What an approver can read; the guard would take 64."""
BASE_GAS: Final = 260_000
ITEM_GAS: Final = 100_000
"""Measured on Anvil, payments of one token to a known holder: alone 223,000, two together 191,000,
five 232,000. A new holder, a token's first limit bucket, and heavier tokens cost more.
"""
JOINABLE: Final = frozenset({"screening", "queued", "awaiting_approval"})


def form(
    uow: UnitOfWork, organisation_id: UUID, ids: Sequence[UUID], multi_send: Address
) -> list[Withdrawal]:
    """Put these payments together; approvals that were given for one alone are void. Locks them.
    Raises BatchWrong, WithdrawalUnknown.
    """
    if not 2 <= len(set(ids)) <= PAYMENTS_MAX:
        raise errors.BatchWrong(f"A batch has 2 to {PAYMENTS_MAX} different payments.")
    rows = [repository.lock(uow, organisation_id, one) for one in sorted(set(ids))]
    _check(rows)
    payments = [_payment(row) for row in rows]
    batch = {
        "multi_send": checksum(multi_send),
        "payments": [
            {"token": checksum(one.token), "to": checksum(one.to), "units": str(one.units)}
            for one in payments
        ],
    }
    for place, row in enumerate(rows):
        reason = f"It is paid in one transaction with {len(rows) - 1} other(s)."
        _put_back(uow, row, reason)
        row.batch_id, row.batch_place, row.batch = rows[0].id, place, batch
    uow.session.flush()
    return rows


def dissolve(uow: UnitOfWork, row: Withdrawal, reason: str, *, ends: bool = True) -> None:
    """Take its batch apart, if it is in one; the others wait for a turn of their own, and the row,
    too, unless it `ends` now.
    """
    if row.batch_id is None:
        return
    repository.lock(uow, row.organisation_id, row.id)
    rows = repository.together(uow, row)
    for one in rows:
        one.batch_id, one.batch_place, one.batch = None, 0, None
        if one is not row or not ends:
            _put_back(uow, one, reason)
    uow.session.flush()


def safe_tx(batch: dict[str, Any], nonce: int) -> SafeTx:
    """The Safe transaction that makes all payments of a row's `batch`."""
    payments = [
        Payment(parse_address(one["token"]), parse_address(one["to"]), int(one["units"]))
        for one in batch["payments"]
    ]
    return batch_safe_tx(payments, nonce, parse_address(batch["multi_send"]))


def gas(rows: Sequence[Withdrawal]) -> int | None:
    """Gas units that the execution may use; None = the purpose's own, for one alone."""
    return BASE_GAS + ITEM_GAS * len(rows) if len(rows) > 1 else None


def fee_level(rows: Sequence[Withdrawal]) -> FeeLevel:
    """The fastest that one of them asks for."""
    levels: tuple[FeeLevel, ...] = ("fast", "normal", "slow")
    wanted = {row.fee_level for row in rows}
    return next(level for level in levels if level in wanted)


def _payment(row: Withdrawal) -> Payment:
    token = ZERO if row.token is None else Address(row.token)
    return Payment(token, Address(row.destination), row.units)


def _put_back(uow: UnitOfWork, row: Withdrawal, reason: str) -> None:
    """Its Safe nonce goes back; what people signed for it is void."""
    row.safe_nonce = row.safe_tx_hash = row.due_at = row.lease_until = None
    row.reason, row.updated_at = reason, uow.now
    if row.state in rules.UNBOUND - {"screening", "queued"}:
        repository.step(uow, row, "queued", reason)


def _check(rows: Sequence[Withdrawal]) -> None:
    """Check: they can be one transaction, and each can be found again on chain."""
    for row in rows:
        if row.vault_id is None:
            raise errors.BatchWrong(f"{row.reference} is paid by a spending key, not the vault.")
        if row.state not in JOINABLE or row.batch_id is not None:
            state = row.state if row.batch_id is None else "in a batch already"
            raise errors.BatchWrong(
                f"{row.reference} is {state}; payments are put together before they are approved."
            )
    if len({(row.vault_id, row.policy_version) for row in rows}) > 1:
        raise errors.BatchWrong("Payments of a batch are ordered under one policy, of one vault.")
    if len({_payment(row) for row in rows}) < len(rows):
        raise errors.BatchWrong(
            "Two of the payments are alike (asset, destination, amount): on chain nobody could "
            "tell which is which. Pay them one after the other, or order their sum."
        )

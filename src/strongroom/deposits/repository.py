"""Rows of deposits: found, locked in order of their ids, and each change of state kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from strongroom.chain.ports import BlockView, Transfer
from strongroom.db.database import UnitOfWork
from strongroom.deposits.models import Deposit, DepositTransition
from strongroom.wallets.types import Watched


@dataclass(frozen=True, slots=True)
class Arrival:
    """A transfer to one of our addresses, with what it means there."""

    transfer: Transfer
    to: Watched
    asset: str | None
    client_account: str


def record(uow: UnitOfWork, block: BlockView, arrivals: Sequence[Arrival]) -> None:
    """Store deposits as seen, once a block's appearance, by one statement."""
    if not arrivals:
        return
    added = uow.session.execute(
        insert(Deposit)
        .values([_columns(uow, block, arrival) for arrival in arrivals])
        .on_conflict_do_nothing()
        .returning(Deposit.organisation_id, Deposit.id)
    ).all()
    reason = f"In block {block.height}."
    add_transitions(uow, [(row.organisation_id, row.id, "seen", reason) for row in added])


def of_block(uow: UnitOfWork, block: BlockView, *states: str) -> list[Deposit]:
    """The deposits of this appearance of a block in these chain states, locked."""
    return list(
        uow.session.scalars(
            select(Deposit)
            .where(
                Deposit.chain_id == block.chain_id,
                Deposit.block_hash == block.hash,
                Deposit.sighting == block.sighting,
                Deposit.chain_state.in_(states),
            )
            .order_by(Deposit.organisation_id, Deposit.id)
            .with_for_update()
        )
    )


def lock(uow: UnitOfWork, deposit_id: UUID) -> Deposit | None:
    """One deposit of the unit's organisation, locked."""
    return uow.session.scalars(
        select(Deposit)
        .where(Deposit.organisation_id == uow.organisation_id, Deposit.id == deposit_id)
        .with_for_update()
    ).one_or_none()


def mark_swept(
    uow: UnitOfWork, block: BlockView, organisation_id: UUID, address: bytes, asset: str
) -> None:
    """The planned deposits of an address and asset moved on in this block."""
    uow.session.execute(
        update(Deposit)
        .where(
            Deposit.organisation_id == organisation_id,
            Deposit.chain_id == block.chain_id,
            Deposit.address == address,
            Deposit.asset == asset,
            Deposit.sweep_id.is_not(None),
            Deposit.swept_at.is_(None),
        )
        .values(swept_at=uow.now, swept_block_hash=block.hash)
        .execution_options(synchronize_session=False)
    )


def unmark_swept(uow: UnitOfWork, block: BlockView) -> None:
    """The block in which they moved on left the chain."""
    uow.session.execute(
        update(Deposit)
        .where(Deposit.chain_id == block.chain_id, Deposit.swept_block_hash == block.hash)
        .values(swept_at=None, swept_block_hash=None)
        .execution_options(synchronize_session=False)
    )


def swept_in(uow: UnitOfWork, block: BlockView) -> list[Deposit]:
    """The deposits that moved on in a block."""
    return list(
        uow.session.scalars(
            select(Deposit)
            .where(Deposit.chain_id == block.chain_id, Deposit.swept_block_hash == block.hash)
            .order_by(Deposit.organisation_id, Deposit.id)
        )
    )


def add_transition(
    uow: UnitOfWork, organisation_id: UUID, deposit_id: UUID, state: str, reason: str
) -> None:
    """Keep a change of state."""
    add_transitions(uow, [(organisation_id, deposit_id, state, reason)])


def add_transitions(uow: UnitOfWork, changes: Sequence[tuple[UUID, UUID, str, str]]) -> None:
    """Keep changes of state: (organisation, deposit, state, reason), by one statement."""
    if not changes:
        return
    uow.session.execute(
        insert(DepositTransition).values(
            [
                {
                    "organisation_id": organisation_id,
                    "id": uow.new_id(),
                    "deposit_id": deposit_id,
                    "state": state,
                    "reason": reason,
                    "at": uow.now,
                }
                for organisation_id, deposit_id, state, reason in changes
            ]
        )
    )


def _columns(uow: UnitOfWork, block: BlockView, arrival: Arrival) -> dict[str, Any]:
    transfer, to = arrival.transfer, arrival.to
    return {
        "organisation_id": to.organisation_id,
        "id": uow.new_id(),
        "chain_id": block.chain_id,
        "height": block.height,
        "block_hash": block.hash,
        "sighting": block.sighting,
        "tx_hash": transfer.tx_hash,
        "position": transfer.position,
        "kind": transfer.kind,
        "token": transfer.token,
        "asset": arrival.asset,
        "units": transfer.units,
        "payer": transfer.sender,
        "address": transfer.recipient,
        "address_kind": to.kind,
        "custody_code": to.custody_code,
        "client_account": arrival.client_account,
        "chain_state": "seen",
        "disposition": "unknown_token" if arrival.asset is None else "unscreened",
        "seen_at": uow.now,
    }

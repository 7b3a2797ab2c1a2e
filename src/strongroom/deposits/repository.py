"""Rows of deposits: found, locked in order of their ids, and each change of state kept."""

from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from strongroom.chain.ports import BlockView, Transfer
from strongroom.db.database import UnitOfWork
from strongroom.deposits.models import Deposit, DepositTransition
from strongroom.wallets.types import Watched


def record(
    uow: UnitOfWork,
    block: BlockView,
    transfer: Transfer,
    to: Watched,
    *,
    asset: str | None,
    client_account: str,
) -> None:
    """Store a deposit as seen, once a block's appearance."""
    deposit_id = uow.new_id()
    added = uow.session.execute(
        insert(Deposit)
        .values(
            organisation_id=to.organisation_id,
            id=deposit_id,
            chain_id=block.chain_id,
            height=block.height,
            block_hash=block.hash,
            sighting=block.sighting,
            tx_hash=transfer.tx_hash,
            position=transfer.position,
            kind=transfer.kind,
            token=transfer.token,
            asset=asset,
            units=transfer.units,
            payer=transfer.sender,
            address=transfer.recipient,
            address_kind=to.kind,
            custody_code=to.custody_code,
            client_account=client_account,
            chain_state="seen",
            disposition="unknown_token" if asset is None else "unscreened",
            seen_at=uow.now,
        )
        .on_conflict_do_nothing()
        .returning(Deposit.id)
    ).scalar_one_or_none()
    if added is not None:
        add_transition(uow, to.organisation_id, deposit_id, "seen", f"In block {block.height}.")


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
    uow.session.add(
        DepositTransition(
            organisation_id=organisation_id,
            id=uow.new_id(),
            deposit_id=deposit_id,
            state=state,
            reason=reason,
            at=uow.now,
        )
    )

"""Rows of deposits: found, locked in order of their ids, and each change of state kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from strongroom.chain.ports import BlockView, Transfer
from strongroom.db.database import UnitOfWork
from strongroom.db.events import announce
from strongroom.deposits.announcing import TOLD, event
from strongroom.deposits.models import Deposit, DepositTransition
from strongroom.deposits.terms import Terms
from strongroom.wallets.types import Attribution, Watched

DUST_MAX: Final = 50
"""Dust that one verdict looks at: a stranger who sends ever more of it slows nothing down."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A transfer to one of our addresses, with what it means there."""

    transfer: Transfer
    to: Watched
    asset: str | None
    whose: Attribution
    terms: Terms


Change = tuple[Mapping[str, Any], str, str]
"""A deposit's columns (announcing.TOLD at least), its new state, and why."""


def record(uow: UnitOfWork, block: BlockView, arrivals: Sequence[Arrival]) -> None:
    """Store deposits as seen, once a block's appearance, by one statement."""
    if not arrivals:
        return
    rows = [_columns(uow, block, arrival) for arrival in arrivals]
    insertion = insert(Deposit).on_conflict_do_nothing().returning(Deposit.id)
    added = set(uow.session.scalars(insertion, rows))
    reason = f"In block {block.height}."
    add_transitions(uow, [(row, "seen", reason) for row in rows if row["id"] in added])


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


def lock_with_dust(uow: UnitOfWork, deposit_id: UUID) -> list[Deposit]:
    """The same with the dust that lies at its address in its asset, the largest DUST_MAX of it; by
    id, the deposit among them wherever it is known.
    """
    own = uow.session.execute(
        select(Deposit.chain_id, Deposit.address, Deposit.asset).where(
            Deposit.organisation_id == uow.organisation_id, Deposit.id == deposit_id
        )
    ).one_or_none()
    if own is None:
        return []
    beside = (
        select(Deposit.id)
        .where(
            Deposit.organisation_id == uow.organisation_id,
            Deposit.chain_id == own.chain_id,
            Deposit.address == own.address,
            Deposit.asset == own.asset,
            Deposit.held == "dust",
            Deposit.disposition == "unscreened",
        )
        .order_by(Deposit.units.desc(), Deposit.id)
        .limit(DUST_MAX)
    )
    return list(
        uow.session.scalars(
            select(Deposit)
            .where(
                Deposit.organisation_id == uow.organisation_id,
                (Deposit.id == deposit_id) | Deposit.id.in_(beside),
            )
            .order_by(Deposit.id)
            .with_for_update()
        )
    )


def booked_at(uow: UnitOfWork, block: BlockView, addresses: Sequence[bytes]) -> list[Deposit]:
    """What came to these addresses on the chain of a block and is booked."""
    return list(
        uow.session.scalars(
            select(Deposit).where(
                Deposit.chain_id == block.chain_id,
                Deposit.address.in_(sorted(addresses)),
                Deposit.chain_state.in_(("confirmed", "finalized")),
                Deposit.asset.is_not(None),
            )
        )
    )


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


def change(row: Deposit, state: str, reason: str) -> Change:
    """A change of state of a locked row, as it is now."""
    return {name: getattr(row, name) for name in TOLD}, state, reason


def add_transitions(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Keep changes of state, by one statement, and have them told."""
    if not changes:
        return
    uow.session.execute(
        insert(DepositTransition),
        [
            {
                "organisation_id": row["organisation_id"],
                "id": uow.new_id(),
                "deposit_id": row["id"],
                "state": state,
                "reason": reason,
                "at": uow.now,
            }
            for row, state, reason in changes
        ],
    )
    found = [event(*one) for one in changes]
    announce(uow, [one for one in found if one is not None])


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
        "client_account": arrival.whose.client_account,
        "customer_reference": arrival.whose.customer_reference,
        "confirmations": arrival.terms.confirmations,
        "level": arrival.terms.level,
        "awaits": arrival.terms.why or None,
        "chain_state": "seen",
        "disposition": "unknown_token" if arrival.asset is None else "unscreened",
        "seen_at": uow.now,
    }

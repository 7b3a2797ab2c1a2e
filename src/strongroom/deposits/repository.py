"""Rows of deposits: found, locked in order of their ids, and each change of state kept."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update

from strongroom.chain.ports import BlockView
from strongroom.db import rows as many
from strongroom.db.database import UnitOfWork
from strongroom.db.events import announce, listeners
from strongroom.deposits.announcing import TOLD, event
from strongroom.deposits.models import Deposit

DUST_MAX: Final = 50
"""Dust that one verdict looks at: a stranger who sends ever more of it slows nothing down."""


Row = dict[str, Any]
"""A deposit's columns as the block path writes and reads them: hundreds at once, so no objects."""
_ROW: Final = {
    "organisation_id": "uuid", "id": "uuid", "chain_id": "bigint", "height": "bigint",
    "block_hash": "bytea", "sighting": "integer", "tx_hash": "bytea", "position": "integer",
    "kind": "text", "token": "bytea", "asset": "text", "units": "numeric", "payer": "bytea",
    "address": "bytea", "address_kind": "text", "custody_code": "text", "client_account": "text",
    "customer_reference": "text", "confirmations": "integer", "level": "text", "awaits": "text",
    "held": "text", "booking_key": "text", "screening_request_id": "uuid", "chain_state": "text",
    "disposition": "text",
}  # fmt: skip
_CONFIRMED: Final = {
    name: _ROW[name]
    for name in ("organisation_id", "id", "booking_key", "screening_request_id", "held", "awaits")
}
_BLOCKS: Final = {"block_hash": "bytea", "sighting": "integer"}
_SWEPT: Final = {
    "organisation_id": "uuid", "address": "bytea", "asset": "text", "block_hash": "bytea",
}  # fmt: skip
_TRANSITION: Final = {
    "organisation_id": "uuid", "id": "uuid", "deposit_id": "uuid", "state": "text",
    "reason": "text",
}  # fmt: skip
_OF_D: Final = ", ".join(f"d.{name}" for name in _ROW)
_LOCKED: Final = (
    f"SELECT {_OF_D} FROM deposit AS d"  # noqa: S608 - own constants
    f" JOIN {many.unnest(_BLOCKS)} ON (d.block_hash, d.sighting) = (r.block_hash, r.sighting)"
    " WHERE d.chain_id = %s AND d.chain_state = %s"
    " ORDER BY d.organisation_id, d.id FOR UPDATE OF d"
)
Change = tuple[Mapping[str, Any], str, str]
"""A deposit's columns (announcing.TOLD at least), its new state, and why."""


def record(uow: UnitOfWork, rows: Sequence[Row]) -> None:
    """Store deposits in the state that their block has reached, once a block's appearance."""
    uow.execute(
        f"INSERT INTO deposit ({', '.join(_ROW)},"  # noqa: S608 - own constants
        " seen_at, confirmed_at, finalized_at)"
        f" SELECT {many.names(_ROW)}, %s, CASE WHEN r.chain_state <> 'seen' THEN %s END,"
        " CASE WHEN r.chain_state = 'finalized' THEN %s END"
        f" FROM {many.unnest(_ROW)}"
        " ORDER BY r.chain_id, r.block_hash, r.sighting, r.tx_hash, r.position",
        (uow.now, uow.now, uow.now, *many.parameters(_ROW, rows)),
    )


def of_blocks(uow: UnitOfWork, blocks: Sequence[BlockView], state: str) -> list[Row]:
    """The deposits of these appearances of blocks in a chain state, locked, by block and id."""
    if not blocks:
        return []
    found = uow.execute(_LOCKED, _of(blocks, state)).fetchall()
    return _rows(found)


def confirm(uow: UnitOfWork, rows: Sequence[Row]) -> None:
    """These locked deposits are deep enough, and booked if they have a booking key."""
    uow.execute(
        "UPDATE deposit AS d SET chain_state = 'confirmed', confirmed_at = %s,"  # noqa: S608 - own
        " booking_key = r.booking_key, screening_request_id = r.screening_request_id,"
        f" held = r.held, awaits = r.awaits FROM {many.unnest(_CONFIRMED)}"
        " WHERE (d.organisation_id, d.id) = (r.organisation_id, r.id)",
        (uow.now, *many.parameters(_CONFIRMED, rows)),
    )


def finalize(uow: UnitOfWork, blocks: Sequence[BlockView]) -> list[Row]:
    """The confirmed deposits of final blocks are final; gives them, by block and id."""
    if not blocks:
        return []
    found = uow.execute(
        f"WITH locked AS MATERIALIZED ({_LOCKED})"  # noqa: S608 - own constants
        " UPDATE deposit AS d SET chain_state = 'finalized', finalized_at = %s FROM locked"
        " WHERE (d.organisation_id, d.id) = (locked.organisation_id, locked.id)"
        f" RETURNING {_OF_D}",
        (*_of(blocks, "confirmed"), uow.now),
    ).fetchall()
    return _rows(found)


def _of(blocks: Sequence[BlockView], state: str) -> tuple[Any, ...]:
    given = [{"block_hash": block.hash, "sighting": block.sighting} for block in blocks]
    return (*many.parameters(_BLOCKS, given), blocks[0].chain_id, state)


def _rows(found: Sequence[Sequence[Any]]) -> list[Row]:
    rows = [dict(zip(_ROW, row, strict=True)) for row in found]
    for row in rows:
        row["units"] = int(row["units"])
    return sorted(rows, key=lambda row: (row["height"], row["organisation_id"], row["id"]))


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


def booked_at(uow: UnitOfWork, chain_id: int, addresses: Collection[bytes]) -> list[Deposit]:
    """What came to these addresses on a chain and is booked."""
    return list(
        uow.session.scalars(
            select(Deposit).where(
                Deposit.chain_id == chain_id,
                Deposit.address.in_(sorted(addresses)),
                Deposit.chain_state.in_(("confirmed", "finalized")),
                Deposit.asset.is_not(None),
            )
        )
    )


def mark_swept(uow: UnitOfWork, chain_id: int, swept: Sequence[Row]) -> None:
    """The planned deposits of these organisation_id, address and asset moved on in block_hash."""
    if not swept:
        return
    uow.execute(
        "UPDATE deposit AS d SET swept_at = %s, swept_block_hash = r.block_hash"  # noqa: S608 - own
        f" FROM {many.unnest(_SWEPT)}"
        " WHERE (d.organisation_id, d.address, d.asset) = (r.organisation_id, r.address, r.asset)"
        " AND d.chain_id = %s AND d.sweep_id IS NOT NULL AND d.swept_at IS NULL",
        (uow.now, *many.parameters(_SWEPT, swept), chain_id),
    )


def unmark_swept(uow: UnitOfWork, block: BlockView) -> None:
    """The block in which they moved on left the chain."""
    uow.session.execute(
        update(Deposit)
        .where(Deposit.chain_id == block.chain_id, Deposit.swept_block_hash == block.hash)
        .values(swept_at=None, swept_block_hash=None)
        .execution_options(synchronize_session=False)
    )


def swept_in(uow: UnitOfWork, chain_id: int, swept: Sequence[Row]) -> list[Row]:
    """The deposits that moved on by these moves, as in mark_swept; by block and id."""
    if not swept:
        return []
    found = uow.execute(
        f"SELECT {_OF_D} FROM deposit AS d JOIN {many.unnest(_SWEPT)}"  # noqa: S608 - own
        " ON (d.organisation_id, d.address, d.asset, d.swept_block_hash)"
        " = (r.organisation_id, r.address, r.asset, r.block_hash) WHERE d.chain_id = %s",
        (*many.parameters(_SWEPT, swept), chain_id),
    ).fetchall()
    return _rows(found)


def columns(deposit: Deposit) -> Row:
    """The same deposit as the block path has it."""
    return {name: getattr(deposit, name) for name in _ROW}


def change(row: Deposit, state: str, reason: str) -> Change:
    """A change of state of a locked row, as it is now."""
    return {name: getattr(row, name) for name in TOLD}, state, reason


def add_transitions(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Keep changes of state, in their order and by one statement, and have them told."""
    if not changes:
        return
    kept = [
        {
            "organisation_id": row["organisation_id"],
            "id": uow.new_id(),
            "deposit_id": row["id"],
            "state": state,
            "reason": reason,
        }
        for row, state, reason in changes
    ]
    uow.execute(
        f"INSERT INTO deposit_transition ({', '.join(_TRANSITION)}, at)"  # noqa: S608 - own
        f" SELECT {many.names(_TRANSITION)}, %s FROM {many.unnest(_TRANSITION)} ORDER BY r.place",
        (uow.now, *many.parameters(_TRANSITION, kept)),
    )
    told = listeners(uow, {row["organisation_id"] for row, _, _ in changes})
    found = [event(*one) for one in changes if one[0]["organisation_id"] in told]
    announce(uow, [one for one in found if one is not None])

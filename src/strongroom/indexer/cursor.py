"""The chain's cursor: read, and moved by compare-and-set. Who loses the race changes nothing."""

from dataclasses import replace
from typing import Any, Final

from strongroom.chain.headers import Header
from strongroom.db.database import UnitOfWork
from strongroom.indexer.errors import CursorMoved
from strongroom.indexer.types import Cursor

_COLUMNS: Final = (
    "chain_id, start_height, height, block_hash, confirmed_height, safe_height, finalized_height,"
    " balances_height, epoch, halted_reason, updated_at"
)


def read_cursor(uow: UnitOfWork, chain_id: int) -> Cursor | None:
    """The cursor, or None before the first start."""
    found = uow.execute(
        f"SELECT {_COLUMNS} FROM chain_cursor WHERE chain_id = %s",  # noqa: S608 - own constant
        (chain_id,),
    ).fetchone()
    return None if found is None else Cursor(*found)


def create_cursor(uow: UnitOfWork, chain_id: int, header: Header, epoch: int) -> Cursor:
    """Start a chain at a block; that block itself is only the parent of the first one read."""
    found = uow.execute(
        "INSERT INTO chain_cursor (chain_id, start_height, height, block_hash,"  # noqa: S608 - own
        " confirmed_height,"
        " safe_height, finalized_height, epoch, updated_at)"
        " VALUES (%(chain)s, %(height)s, %(height)s, %(hash)s, %(height)s, %(height)s, %(height)s,"
        f" %(epoch)s, %(now)s) ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
        {
            "chain": chain_id,
            "height": header.height,
            "hash": header.hash,
            "epoch": epoch,
            "now": uow.now,
        },
    ).fetchone()
    if found is None:
        raise CursorMoved("Another indexer started this chain at the same moment.")
    return Cursor(*found)


def take_over(uow: UnitOfWork, chain_id: int, epoch: int) -> Cursor | None:
    """Write our epoch into the cursor, so that any former leader's next write is refused."""
    found = uow.execute(
        "UPDATE chain_cursor SET epoch = %s, updated_at = %s"  # noqa: S608 - own constant
        " WHERE chain_id = %s AND epoch <= %s"
        f" RETURNING {_COLUMNS}",
        (epoch, uow.now, chain_id, epoch),
    ).fetchone()
    if found is None and read_cursor(uow, chain_id) is not None:
        raise CursorMoved("A later leader has this chain already.")
    return None if found is None else Cursor(*found)


def move_cursor(uow: UnitOfWork, old: Cursor, **changes: Any) -> Cursor:
    """Set members of the cursor if it still stands where `old` says. Raises CursorMoved."""
    new = replace(old, **changes, updated_at=uow.now)
    moved = uow.execute(
        "UPDATE chain_cursor SET height = %s, block_hash = %s, confirmed_height = %s,"
        " safe_height = %s, finalized_height = %s, balances_height = %s,"
        " halted_reason = %s, updated_at = %s"
        " WHERE chain_id = %s AND height = %s AND block_hash = %s AND epoch = %s"
        " AND confirmed_height = %s AND finalized_height = %s",
        (
            new.height,
            new.block_hash,
            new.confirmed_height,
            new.safe_height,
            new.finalized_height,
            new.balances_height,
            new.halted_reason,
            new.updated_at,
            old.chain_id,
            old.height,
            old.block_hash,
            old.epoch,
            old.confirmed_height,
            old.finalized_height,
        ),
    ).rowcount
    if moved != 1:
        raise CursorMoved(
            f"The cursor of chain {old.chain_id} does not stand at block {old.height} of epoch "
            f"{old.epoch} any more: another indexer moved it. This step is thrown away."
        )
    return new

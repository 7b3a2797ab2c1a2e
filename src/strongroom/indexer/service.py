"""What other rooms may ask of the indexer: where it stands, what the chain holds, to go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.indexer import repository, sweeping
from strongroom.indexer.cursor import move_cursor, read_cursor
from strongroom.indexer.errors import NotIndexed
from strongroom.indexer.sweeping import Sweep
from strongroom.indexer.types import Cursor, Range
from strongroom.kit.errors import Conflict
from strongroom.kit.ids import HOUSE


class NotWalkable(Conflict):
    """What is above that block can't be taken back here."""

    code = "indexer.not_walkable"


@dataclass(frozen=True, slots=True)
class Balance:
    """Units of an asset that an address holds on chain."""

    address: bytes
    asset: str
    units: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Balances read at one finalized block."""

    height: int
    balances: tuple[Balance, ...]
    ranges: Mapping[tuple[bytes, str], Range]
    """Where a difference of (address, asset) began."""


def status(uow: UnitOfWork, chain_id: int) -> Cursor:
    """Where a chain's indexer stands. Raises NotIndexed."""
    cursor = read_cursor(uow, chain_id)
    if cursor is None:
        raise NotIndexed(f"Chain {chain_id} was never indexed: start `strongroom indexer`.")
    return cursor


def is_orphaned(uow: UnitOfWork, chain_id: int, block_hash: bytes) -> bool:
    """Whether a block is one that left the chain, and did not come back."""
    found = uow.execute(
        "SELECT bool_and(orphaned_at IS NOT NULL) FROM chain_block"
        " WHERE chain_id = %s AND block_hash = %s",
        (chain_id, block_hash),
    ).fetchone()
    return found is not None and found[0] is True


def balances_at(
    uow: UnitOfWork, chain_id: int, height: int, block_hash: bytes, part: str = ""
) -> Snapshot:
    """The balances that were kept of one reading at a block."""
    found = uow.execute(
        "SELECT address, asset, units FROM chain_balance"
        " WHERE chain_id = %s AND height = %s AND block_hash = %s AND part = %s"
        " ORDER BY address, asset",
        (chain_id, height, block_hash, part),
    )
    ranges = uow.execute(
        "SELECT address, asset, equal_height, differs_height, told FROM chain_difference"
        " WHERE chain_id = %s AND height = %s AND block_hash = %s",
        (chain_id, height, block_hash),
    )
    return Snapshot(
        height,
        tuple(Balance(address, asset, int(units)) for address, asset, units in found),
        {(address, asset): Range(*rest) for address, asset, *rest in ranges},
    )


def sweep(uow: UnitOfWork, chain_id: int) -> Sweep:
    """Where the rolling reading of all balances stands."""
    return sweeping.next_part(uow, chain_id)


def resume(
    uow: UnitOfWork, chain_id: int, reason: str, *, agreed_height: int | None = None
) -> Cursor:
    """Let a halted indexer go on, once people have compared nodes. Raises NotIndexed.

    `agreed_height`: the last block that all nodes agree on. What is above it counts as not final
    any more, and is taken back by reversing entries as in any reorganisation. Raises NotWalkable.
    """
    cursor = status(uow, chain_id)
    changes: dict[str, Any] = {"halted_reason": None}
    if agreed_height is not None:
        anchor = _anchor(uow, cursor, agreed_height)
        changes["finalized_height"] = anchor
        changes["balances_height"] = min(cursor.balances_height, anchor)
    moved = move_cursor(uow, cursor, **changes)
    body = {"chain_id": chain_id, "height": cursor.height, "reason": reason}
    body |= {"agreed_height": agreed_height, "finalized_height": cursor.finalized_height}
    auditlog.append(uow, "indexer.resumed", f"chain:{chain_id}", body, organisation_id=HOUSE)
    return moved


def _anchor(uow: UnitOfWork, cursor: Cursor, agreed: int) -> int:
    """The highest stored block that is not above the agreed one: what is stored above it is taken
    back by its own rows, and what is not stored touches nothing.
    """
    if cursor.halted_reason is None:
        raise NotWalkable("The chain is not halted: nothing final is taken back.")
    kept = repository.canonical_below(uow, cursor.chain_id, agreed + 1)
    if kept is None or not cursor.start_height < kept.height < cursor.height:
        raise NotWalkable(
            f"Nothing is stored between block {cursor.start_height}, the first one, and block "
            f"{agreed} to go back to, or that block is not below {cursor.height}. Restore the "
            "database from before the reorganisation; see the runbook deep-reorganisation.md."
        )
    return kept.height

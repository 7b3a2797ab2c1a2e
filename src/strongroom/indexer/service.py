"""What other rooms may ask of the indexer: where it stands, what the chain holds, to go on."""

from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.indexer.cursor import move_cursor, read_cursor
from strongroom.indexer.errors import NotIndexed
from strongroom.indexer.types import Cursor, Range
from strongroom.kit.ids import HOUSE


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


def balances_at(uow: UnitOfWork, chain_id: int, height: int, part: str = "") -> Snapshot:
    """The balances that were kept of one reading at a block."""
    found = uow.execute(
        "SELECT address, asset, units FROM chain_balance"
        " WHERE chain_id = %s AND height = %s AND part = %s ORDER BY address, asset",
        (chain_id, height, part),
    )
    ranges = uow.execute(
        "SELECT address, asset, equal_height, differs_height, told FROM chain_difference"
        " WHERE chain_id = %s AND height = %s",
        (chain_id, height),
    )
    return Snapshot(
        height,
        tuple(Balance(address, asset, int(units)) for address, asset, units in found),
        {(address, asset): Range(*rest) for address, asset, *rest in ranges},
    )


def resume(uow: UnitOfWork, chain_id: int, reason: str) -> Cursor:
    """Let a halted indexer go on, once people have compared nodes. Raises NotIndexed."""
    cursor = status(uow, chain_id)
    moved = move_cursor(uow, cursor, halted_reason=None)
    body = {"chain_id": chain_id, "height": cursor.height, "reason": reason}
    auditlog.append(uow, "indexer.resumed", f"chain:{chain_id}", body, organisation_id=HOUSE)
    return moved

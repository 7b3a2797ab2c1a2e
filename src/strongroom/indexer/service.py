"""What other rooms may ask of the indexer: where it stands, what the chain holds, to go on."""

from dataclasses import dataclass

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.indexer.cursor import move_cursor, read_cursor
from strongroom.indexer.errors import NotIndexed
from strongroom.indexer.types import Cursor
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
    block_hash: bytes
    balances: tuple[Balance, ...]


def status(uow: UnitOfWork, chain_id: int) -> Cursor:
    """Where a chain's indexer stands. Raises NotIndexed."""
    cursor = read_cursor(uow, chain_id)
    if cursor is None:
        raise NotIndexed(f"Chain {chain_id} was never indexed: start `strongroom indexer`.")
    return cursor


def balances_at(uow: UnitOfWork, chain_id: int, height: int) -> Snapshot | None:
    """The balances read at a block, or None when there was no reading."""
    found = uow.execute(
        "SELECT block_hash, address, asset, units FROM chain_balance"
        " WHERE chain_id = %s AND height = %s ORDER BY address, asset",
        (chain_id, height),
    ).fetchall()
    if not found:
        return None
    balances = tuple(Balance(address, asset, int(units)) for _, address, asset, units in found)
    return Snapshot(height, found[0][0], balances)


def resume(uow: UnitOfWork, chain_id: int, reason: str) -> Cursor:
    """Let a halted indexer go on, once people have compared nodes. Raises NotIndexed."""
    cursor = status(uow, chain_id)
    moved = move_cursor(uow, cursor, halted_reason=None)
    body = {"chain_id": chain_id, "height": cursor.height, "reason": reason}
    auditlog.append(uow, "indexer.resumed", f"chain:{chain_id}", body, organisation_id=HOUSE)
    return moved

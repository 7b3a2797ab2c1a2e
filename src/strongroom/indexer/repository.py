"""Rows of blocks, transfers and receipts: written once, read back as the same BlockView."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from strongroom.chain.ports import BlockView, Log, TransactionSeen, Transfer
from strongroom.db.database import UnitOfWork
from strongroom.indexer.receipt_logs import decode_logs
from strongroom.indexer.types import Evidence, IndexedBlock

_BLOCK: Final = "id, height, block_hash, sighting, parent_hash, block_time, touched, state"


class BlockRow(NamedTuple):
    """A stored block."""

    id: UUID
    height: int
    block_hash: bytes
    sighting: int
    parent_hash: bytes
    block_time: Any
    touched: bool
    state: str


def insert_block(uow: UnitOfWork, chain_id: int, block: IndexedBlock) -> BlockRow:
    """Store a block as seen, without its contents; gives its row with the sighting."""
    header = block.header
    found = uow.execute(
        "INSERT INTO chain_block (id, chain_id, height, block_hash,"  # noqa: S608 - own constant
        " sighting, parent_hash,"
        " block_time, header_rlp, receipts_root, touched, state, seen_at)"
        " SELECT %(id)s, %(chain)s, %(height)s, %(hash)s,"
        " (SELECT count(*) + 1 FROM chain_block"
        "  WHERE chain_id = %(chain)s AND block_hash = %(hash)s),"
        " %(parent)s, %(time)s, %(rlp)s, %(receipts)s, %(touched)s, 'seen', %(now)s"
        f" RETURNING {_BLOCK}",
        {
            "id": uow.new_id(),
            "chain": chain_id,
            "height": header.height,
            "hash": header.hash,
            "parent": header.parent_hash,
            "time": header.time,
            "rlp": header.rlp,
            "receipts": header.receipts_root,
            "touched": block.touched,
            "now": uow.now,
        },
    ).fetchone()
    return BlockRow(*(found or ()))


def insert_contents(
    uow: UnitOfWork, block_id: UUID, block: IndexedBlock
) -> tuple[set[tuple[bytes, int]], set[int]]:
    """Store transfers and receipts that are not there yet; gives the keys of the new ones."""
    moved: set[tuple[bytes, int]] = set()
    for transfer in block.view.transfers:
        added = uow.execute(
            "INSERT INTO chain_transfer (block_id, chain_id, height, tx_hash, position, token,"
            " sender, recipient, units, kind, seen_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (block_id, *_transfer_columns(transfer), uow.now),
        ).rowcount
        if added:
            moved.add((transfer.tx_hash, transfer.position))
    if block.evidence is None:
        return moved, set()
    seen: set[int] = set()
    for transaction in block.view.transactions:
        added = uow.execute(
            "INSERT INTO chain_receipt (block_id, chain_id, block_hash, tx_index, tx_hash, sender,"
            " recipient, nonce, succeeded, gas_used, effective_gas_price_wei, receipt_rlp,"
            " receipt_proof, transaction_raw, tx_proof)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (
                block_id,
                block.view.chain_id,
                block.header.hash,
                *_receipt_columns(transaction, block.evidence),
            ),
        ).rowcount
        if added:
            seen.add(transaction.index)
    return moved, seen


def canonical(uow: UnitOfWork, chain_id: int, height: int) -> BlockRow | None:
    """The block that we believe at a height, if it is stored."""
    found = uow.execute(
        f"SELECT {_BLOCK} FROM chain_block"  # noqa: S608 - own constant
        " WHERE chain_id = %s AND height = %s AND orphaned_at IS NULL",
        (chain_id, height),
    ).fetchone()
    return None if found is None else BlockRow(*found)


def touched_between(
    uow: UnitOfWork, chain_id: int, above: int, up_to: int, limit: int
) -> list[BlockRow]:
    """Stored blocks that touch us, above one height and up to another, lowest first."""
    found = uow.execute(
        f"SELECT {_BLOCK} FROM chain_block"  # noqa: S608 - own constant
        " WHERE chain_id = %s AND height > %s AND height <= %s AND touched"
        " AND orphaned_at IS NULL ORDER BY height LIMIT %s",
        (chain_id, above, up_to, limit),
    )
    return [BlockRow(*row) for row in found]


def load_view(uow: UnitOfWork, chain_id: int, row: BlockRow) -> BlockView:
    """A stored block as the rooms see it."""
    transfers = uow.execute(
        "SELECT t.tx_hash, t.position, t.token, t.sender, t.recipient, t.units, t.kind"
        " FROM chain_transfer AS t LEFT JOIN chain_receipt AS r"
        " ON (r.block_id, r.tx_hash) = (t.block_id, t.tx_hash)"
        " WHERE t.block_id = %s ORDER BY r.tx_index, t.position",
        (row.id,),
    )
    moved = tuple(
        Transfer(
            chain_id, row.height, row.block_hash, tx, position, token, source, to, int(units), kind
        )
        for tx, position, token, source, to, units, kind in transfers
    )
    receipts = uow.execute(
        "SELECT tx_hash, tx_index, sender, recipient, nonce, succeeded, gas_used,"
        " effective_gas_price_wei, receipt_rlp FROM chain_receipt"
        " WHERE block_id = %s ORDER BY tx_index",
        (row.id,),
    )
    return BlockView(
        chain_id=chain_id,
        height=row.height,
        hash=row.block_hash,
        parent_hash=row.parent_hash,
        time=row.block_time,
        transfers=moved,
        transactions=tuple(_transaction(columns) for columns in receipts),
        sighting=row.sighting,
    )


def set_confirmed(uow: UnitOfWork, chain_id: int, up_to: int) -> None:
    """Blocks up to a height are booked."""
    uow.execute(
        "UPDATE chain_block SET state = 'confirmed', confirmed_at = %s"
        " WHERE chain_id = %s AND height <= %s AND state = 'seen'",
        (uow.now, chain_id, up_to),
    )


def set_safe(uow: UnitOfWork, chain_id: int, up_to: int) -> None:
    """Booked blocks up to a height are safe by the node's tag."""
    uow.execute(
        "UPDATE chain_block SET state = 'safe', safe_at = %s"
        " WHERE chain_id = %s AND height <= %s AND state = 'confirmed'",
        (uow.now, chain_id, up_to),
    )


def set_finalized(uow: UnitOfWork, chain_id: int, above: int, up_to: int) -> None:
    """Blocks up to a height can't be undone."""
    uow.execute(
        "UPDATE chain_block SET state = 'finalized', finalized_at = %s,"
        " safe_at = coalesce(safe_at, %s)"
        " WHERE chain_id = %s AND height > %s AND height <= %s"
        " AND state IN ('confirmed', 'safe')",
        (uow.now, uow.now, chain_id, above, up_to),
    )


def set_orphaned(uow: UnitOfWork, row: BlockRow) -> None:
    """A block left the chain; its rows stay and say until when they were believed."""
    uow.execute(
        "UPDATE chain_block SET state = 'orphaned', orphaned_at = %s WHERE id = %s",
        (uow.now, row.id),
    )


def set_touched(uow: UnitOfWork, row: BlockRow) -> None:
    """A block turned out to concern an address registered later."""
    uow.execute("UPDATE chain_block SET touched = true WHERE id = %s", (row.id,))


def _transfer_columns(transfer: Transfer) -> Sequence[Any]:
    return (
        transfer.chain_id,
        transfer.height,
        transfer.tx_hash,
        transfer.position,
        transfer.token,
        transfer.sender,
        transfer.recipient,
        Decimal(transfer.units),
        transfer.kind,
    )


def _receipt_columns(transaction: TransactionSeen, evidence: Evidence) -> Sequence[Any]:
    index = transaction.index
    return (
        index,
        transaction.hash,
        transaction.sender,
        transaction.recipient,
        Decimal(transaction.nonce),
        transaction.status,
        transaction.gas_used,
        Decimal(transaction.effective_gas_price),
        evidence.receipt_rlp[index],
        evidence.receipt_proofs[index],
        evidence.raw[index] if evidence.raw else None,
        evidence.tx_proofs.get(index),
    )


def _transaction(columns: Iterable[Any]) -> TransactionSeen:
    tx_hash, index, sender, recipient, nonce, succeeded, gas, price, rlp = columns
    logs: tuple[Log, ...] = decode_logs(rlp)
    return TransactionSeen(
        hash=tx_hash,
        index=index,
        sender=sender,
        recipient=recipient,
        nonce=int(nonce),
        status=succeeded,
        gas_used=gas,
        effective_gas_price=int(price),
        logs=logs,
    )

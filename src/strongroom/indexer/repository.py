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


def insert_blocks(uow: UnitOfWork, chain_id: int, blocks: Sequence[IndexedBlock]) -> list[BlockRow]:
    """Store blocks as seen, without their contents; gives their rows with the sightings, in the
    order of their heights, which must be that of `blocks`.
    """
    headers = [block.header for block in blocks]
    found = uow.execute(
        "INSERT INTO chain_block (id, chain_id, height, block_hash,"  # noqa: S608 - own constant
        " sighting, parent_hash,"
        " block_time, header_rlp, receipts_root, touched, state, seen_at)"
        " SELECT b.id, %(chain)s, b.height, b.hash,"
        " (SELECT count(*) + 1 FROM chain_block AS c"
        "  WHERE c.chain_id = %(chain)s AND c.block_hash = b.hash),"
        " b.parent, b.time, b.rlp, b.receipts, b.touched, 'seen', %(now)s"
        " FROM unnest(%(ids)s::uuid[], %(heights)s::bigint[], %(hashes)s::bytea[],"
        " %(parents)s::bytea[], %(times)s::timestamptz[], %(rlps)s::bytea[],"
        " %(receipts)s::bytea[], %(touched)s::boolean[])"
        " AS b (id, height, hash, parent, time, rlp, receipts, touched)"
        f" RETURNING {_BLOCK}",
        {
            "chain": chain_id,
            "now": uow.now,
            "ids": [uow.new_id() for _ in blocks],
            "heights": [header.height for header in headers],
            "hashes": [header.hash for header in headers],
            "parents": [header.parent_hash for header in headers],
            "times": [header.time for header in headers],
            "rlps": [header.rlp for header in headers],
            "receipts": [header.receipts_root for header in headers],
            "touched": [block.touched for block in blocks],
        },
    )
    return sorted((BlockRow(*row) for row in found), key=lambda row: row.height)


def insert_contents(
    uow: UnitOfWork, stored: Sequence[tuple[BlockRow, IndexedBlock]]
) -> tuple[set[tuple[UUID, bytes, int]], set[tuple[UUID, int]]]:
    """Store transfers and receipts that are not there yet; gives the keys of the new ones:
    (block, transaction hash, position) and (block, transaction index).
    """
    transfers = [
        (row.id, *_transfer_columns(transfer), uow.now)
        for row, block in stored
        for transfer in block.view.transfers
    ]
    receipts = [
        (
            row.id,
            block.view.chain_id,
            block.header.hash,
            *_receipt_columns(transaction, block.evidence),
        )
        for row, block in stored
        if block.evidence is not None
        for transaction in block.view.transactions
    ]
    moved = _insert_all(
        uow,
        "INSERT INTO chain_transfer (block_id, chain_id, height, tx_hash, position, token,"
        " sender, recipient, units, kind, seen_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
        " RETURNING block_id, tx_hash, position",
        transfers,
    )
    seen = _insert_all(
        uow,
        "INSERT INTO chain_receipt (block_id, chain_id, block_hash, tx_index, tx_hash, sender,"
        " recipient, nonce, succeeded, gas_used, effective_gas_price_wei, receipt_rlp,"
        " receipt_proof, transaction_raw, tx_proof)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING block_id, tx_index",
        receipts,
    )
    return set(moved), set(seen)


def _insert_all(uow: UnitOfWork, sql: str, rows: Sequence[Sequence[Any]]) -> list[Any]:
    """Every row in one pipeline; gives what came back."""
    if not rows:
        return []
    with uow.driver.cursor() as cursor:
        cursor.executemany(sql.encode(), rows, returning=True)
        return [row for part in cursor.results() for row in part.fetchall()]


def canonical(uow: UnitOfWork, chain_id: int, height: int) -> BlockRow | None:
    """The block that we believe at a height, if it is stored."""
    found = uow.execute(
        f"SELECT {_BLOCK} FROM chain_block"  # noqa: S608 - own constant
        " WHERE chain_id = %s AND height = %s AND orphaned_at IS NULL",
        (chain_id, height),
    ).fetchone()
    return None if found is None else BlockRow(*found)


def canonical_below(uow: UnitOfWork, chain_id: int, height: int) -> BlockRow | None:
    """The highest block below a height that we believe and that is stored."""
    found = uow.execute(
        f"SELECT {_BLOCK} FROM chain_block"  # noqa: S608 - own constant
        " WHERE chain_id = %s AND height < %s AND orphaned_at IS NULL"
        " ORDER BY height DESC LIMIT 1",
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
        None if transaction.nonce is None else Decimal(transaction.nonce),
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
        nonce=None if nonce is None else int(nonce),
        status=succeeded,
        gas_used=gas,
        effective_gas_price=int(price),
        logs=logs,
    )

"""Rows of blocks, transfers and receipts: written once, read back as the same BlockView."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from strongroom.chain.ports import BlockView, Log, Reached, TransactionSeen, Transfer
from strongroom.db import arrays
from strongroom.db import rows as many
from strongroom.db.database import UnitOfWork
from strongroom.indexer.receipt_logs import decode_logs
from strongroom.indexer.types import Evidence, IndexedBlock

_BLOCK: Final = "id, height, block_hash, sighting, parent_hash, block_time, touched, state"
_BLOCK_GIVEN: Final = {
    "id": "uuid", "height": "bigint", "block_hash": "bytea", "parent_hash": "bytea",
    "block_time": "bigint", "header_rlp": "bytea", "receipts_root": "bytea", "touched": "boolean",
}  # fmt: skip
_TRANSFER: Final = {
    "block_id": "uuid", "chain_id": "bigint", "height": "bigint", "tx_hash": "bytea",
    "position": "integer", "token": "bytea", "sender": "bytea", "recipient": "bytea",
    "units": "numeric", "kind": "text",
}  # fmt: skip
_RECEIPT: Final = {
    "block_id": "uuid", "chain_id": "bigint", "block_hash": "bytea", "tx_index": "integer",
    "tx_hash": "bytea", "sender": "bytea", "recipient": "bytea", "nonce": "numeric",
    "succeeded": "boolean", "gas_used": "bigint", "effective_gas_price_wei": "numeric",
    "receipt_rlp": "bytea", "transaction_raw": "bytea",
}  # fmt: skip
_PROOFS: Final = {"receipt_proof": "text", "tx_proof": "text"}
"""Arrays within an array have no ragged form: each is written as its text."""


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


def insert_blocks(
    uow: UnitOfWork, chain_id: int, blocks: Sequence[IndexedBlock], reached: Reached = "seen"
) -> list[BlockRow]:
    """Store blocks in the state that they reach in this unit, without their contents; gives their
    rows with the sightings, in the order of their heights, which must be that of `blocks`.
    """
    given = [
        {
            "id": uow.new_id(),
            "height": block.header.height,
            "block_hash": block.header.hash,
            "parent_hash": block.header.parent_hash,
            "block_time": int(block.header.time.timestamp()),
            "header_rlp": block.header.rlp,
            "receipts_root": block.header.receipts_root,
            "touched": block.touched,
        }
        for block in blocks
    ]
    found = uow.execute(
        "INSERT INTO chain_block (id, chain_id, height, block_hash,"  # noqa: S608 - own constants
        " sighting, parent_hash, block_time, header_rlp, receipts_root, touched,"
        " state, seen_at, confirmed_at, safe_at, finalized_at)"
        " SELECT r.id, %s, r.height, r.block_hash, (SELECT count(*) + 1 FROM chain_block AS c"
        "  WHERE c.chain_id = %s AND c.block_hash = r.block_hash),"
        " r.parent_hash, to_timestamp(r.block_time), r.header_rlp, r.receipts_root, r.touched,"
        " %s, %s, %s, %s, %s"
        f" FROM {many.unnest(_BLOCK_GIVEN)} RETURNING {_BLOCK}",
        (
            chain_id,
            chain_id,
            reached,
            uow.now,
            None if reached == "seen" else uow.now,
            *[uow.now if reached == "finalized" else None] * 2,
            *many.parameters(_BLOCK_GIVEN, given),
        ),
    )
    return sorted((BlockRow(*row) for row in found), key=lambda row: row.height)


def insert_contents(
    uow: UnitOfWork, stored: Sequence[tuple[BlockRow, IndexedBlock]]
) -> tuple[set[tuple[UUID, bytes, int]], set[tuple[UUID, int]]]:
    """Store transfers and receipts that are not there yet; gives the keys of the new ones:
    (block, transaction hash, position) and (block, transaction index).
    """
    transfers = [
        _transfer_columns(row.id, transfer)
        for row, block in stored
        for transfer in block.view.transfers
    ]
    receipts = [
        _receipt_columns(row.id, block, transaction, block.evidence)
        for row, block in stored
        if block.evidence is not None
        for transaction in block.view.transactions
    ]
    moved: Iterable[Any] = ()
    seen: Iterable[Any] = ()
    if transfers:
        moved = uow.execute(
            f"INSERT INTO chain_transfer ({', '.join(_TRANSFER)}, seen_at)"  # noqa: S608 - own
            f" SELECT {many.names(_TRANSFER)}, %s FROM {many.unnest(_TRANSFER)}"
            " ON CONFLICT DO NOTHING RETURNING block_id, tx_hash, position",
            (uow.now, *many.parameters(_TRANSFER, transfers)),
        )
    if receipts:
        seen = uow.execute(
            f"INSERT INTO chain_receipt ({', '.join(_RECEIPT)}, receipt_proof,"  # noqa: S608 - own
            f" tx_proof) SELECT {many.names(_RECEIPT)}, r.receipt_proof::bytea[],"
            f" r.tx_proof::bytea[] FROM {many.unnest({**_RECEIPT, **_PROOFS})}"
            " ON CONFLICT DO NOTHING RETURNING block_id, tx_index",
            many.parameters({**_RECEIPT, **_PROOFS}, receipts),
        )
    return set(moved), set(seen)


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


def load_views(uow: UnitOfWork, chain_id: int, rows: Sequence[BlockRow]) -> list[BlockView]:
    """Stored blocks as the rooms see them, in the order given."""
    transfers: dict[UUID, list[Transfer]] = {row.id: [] for row in rows}
    transactions: dict[UUID, list[TransactionSeen]] = {row.id: [] for row in rows}
    blocks = {row.id: row for row in rows}
    ids = arrays.uuids(blocks)
    for block_id, tx, position, token, source, to, units, kind in uow.execute(
        "SELECT t.block_id, t.tx_hash, t.position, t.token, t.sender, t.recipient, t.units, t.kind"
        " FROM chain_transfer AS t LEFT JOIN chain_receipt AS r"
        " ON (r.block_id, r.tx_hash) = (t.block_id, t.tx_hash)"
        " WHERE t.block_id = ANY(%s::uuid[]) ORDER BY t.block_id, r.tx_index, t.position",
        (ids,),
    ):
        row = blocks[block_id]
        moved = (chain_id, row.height, row.block_hash, tx, position, token, source, to)
        transfers[block_id].append(Transfer(*moved, int(units), kind))
    for block_id, *columns in uow.execute(
        "SELECT block_id, tx_hash, tx_index, sender, recipient, nonce, succeeded, gas_used,"
        " effective_gas_price_wei, receipt_rlp FROM chain_receipt"
        " WHERE block_id = ANY(%s::uuid[]) ORDER BY block_id, tx_index",
        (ids,),
    ):
        transactions[block_id].append(_transaction(columns))
    return [
        BlockView(
            chain_id=chain_id,
            height=row.height,
            hash=row.block_hash,
            parent_hash=row.parent_hash,
            time=row.block_time,
            transfers=tuple(transfers[row.id]),
            transactions=tuple(transactions[row.id]),
            sighting=row.sighting,
        )
        for row in rows
    ]


def set_confirmed(uow: UnitOfWork, chain_id: int, above: int, up_to: int) -> None:
    """Blocks above a height up to another are booked."""
    uow.execute(
        "UPDATE chain_block SET state = 'confirmed', confirmed_at = %s"
        " WHERE chain_id = %s AND height > %s AND height <= %s AND orphaned_at IS NULL"
        " AND state = 'seen'",
        (uow.now, chain_id, above, up_to),
    )


def set_safe(uow: UnitOfWork, chain_id: int, above: int, up_to: int) -> None:
    """Booked blocks above a height up to another are safe by the node's tag."""
    uow.execute(
        "UPDATE chain_block SET state = 'safe', safe_at = %s"
        " WHERE chain_id = %s AND height > %s AND height <= %s AND orphaned_at IS NULL"
        " AND state = 'confirmed'",
        (uow.now, chain_id, above, up_to),
    )


def set_finalized(uow: UnitOfWork, chain_id: int, above: int, up_to: int) -> None:
    """Blocks above a height up to another can't be undone."""
    uow.execute(
        "UPDATE chain_block SET state = 'finalized', finalized_at = %s,"
        " safe_at = coalesce(safe_at, %s)"
        " WHERE chain_id = %s AND height > %s AND height <= %s AND orphaned_at IS NULL"
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


def _transfer_columns(block_id: UUID, transfer: Transfer) -> dict[str, Any]:
    return {
        "block_id": block_id,
        "chain_id": transfer.chain_id,
        "height": transfer.height,
        "tx_hash": transfer.tx_hash,
        "position": transfer.position,
        "token": transfer.token,
        "sender": transfer.sender,
        "recipient": transfer.recipient,
        "units": transfer.units,
        "kind": transfer.kind,
    }


def _receipt_columns(
    block_id: UUID, block: IndexedBlock, transaction: TransactionSeen, evidence: Evidence
) -> dict[str, Any]:
    index = transaction.index
    tx_proof = evidence.tx_proofs.get(index)
    return {
        "block_id": block_id,
        "chain_id": block.view.chain_id,
        "block_hash": block.header.hash,
        "tx_index": index,
        "tx_hash": transaction.hash,
        "sender": transaction.sender,
        "recipient": transaction.recipient,
        "nonce": transaction.nonce,
        "succeeded": transaction.status,
        "gas_used": transaction.gas_used,
        "effective_gas_price_wei": transaction.effective_gas_price,
        "receipt_rlp": evidence.receipt_rlp[index],
        "receipt_proof": arrays.octets(evidence.receipt_proofs[index]),
        "transaction_raw": evidence.raw[index] if evidence.raw else None,
        "tx_proof": None if tx_proof is None else arrays.octets(tx_proof),
    }


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

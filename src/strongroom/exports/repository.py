"""What an export reads: the organisation's part of the log, and the chain's proofs."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from strongroom.db.database import UnitOfWork
from strongroom.exports.rules import BlockRef, TransactionRef

PAGE = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A record in its place."""

    index: int
    organisation_index: int
    record: bytes
    record_hash: bytes
    rows: bytes | None
    sequenced_at: datetime


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A header by its block."""

    chain_id: int
    height: int
    block_hash: bytes
    header: bytes


@dataclass(frozen=True, slots=True)
class ReceiptProof:
    """A receipt's Patricia proof, and its transaction's where the indexer keeps it."""

    chain_id: int
    block_hash: bytes
    tx_hash: bytes
    tx_index: int
    receipt_proof: list[bytes]
    tx_proof: list[bytes] | None


def claim_build(uow: UnitOfWork, export_id: UUID) -> bool:
    """Whether this unit is the only one that builds this export, to its end."""
    row = uow.execute(
        "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (f"export:{export_id}",)
    ).fetchone()
    return bool(row and row[0])


def keep_alive(uow: UnitOfWork) -> None:
    """Say that this transaction is at work, so that it is not ended for idling."""
    uow.execute("SELECT 1")


def entry_by_hash(uow: UnitOfWork, organisation_id: UUID, record_hash: bytes) -> LogEntry | None:
    """Where a record came to stand, or None while it is not sequenced."""
    row = uow.execute(
        "SELECT index, organisation_index, record, record_hash, NULL, sequenced_at "
        "FROM log_record WHERE organisation_id = %s AND record_hash = %s "
        "ORDER BY index LIMIT 1",
        (organisation_id, record_hash),
    ).fetchone()
    return None if row is None else LogEntry(*row)


def entries(
    uow: UnitOfWork, organisation_id: UUID, after: int, until: int, *, with_rows: bool
) -> list[LogEntry]:
    """A page of the organisation's records with after < place <= until; or only those with rows."""
    only = "AND rows IS NOT NULL " if with_rows else ""
    what = "rows" if with_rows else "NULL"
    found = uow.execute(
        f"SELECT index, organisation_index, record, record_hash, {what}, sequenced_at "  # noqa: S608 - two fixed texts
        "FROM log_record WHERE organisation_id = %s AND organisation_index > %s "
        f"AND organisation_index <= %s {only}ORDER BY organisation_index LIMIT %s",
        (organisation_id, after, until, PAGE),
    )
    return [LogEntry(*row) for row in found]


def count_records_with_rows(uow: UnitOfWork, organisation_id: UUID, until: int) -> int:
    """How many records up to a place have rows."""
    row = uow.execute(
        "SELECT count(*) FROM log_record WHERE organisation_id = %s "
        "AND organisation_index <= %s AND rows IS NOT NULL",
        (organisation_id, until),
    ).fetchone()
    return int(row[0]) if row else 0


def headers(uow: UnitOfWork, blocks: Collection[BlockRef]) -> Iterator[BlockHeader]:
    """Headers of blocks, orphaned ones too, by chain and height."""
    for page in _pages(sorted(blocks)):
        yield from (
            BlockHeader(*row)
            for row in uow.execute(
                "SELECT DISTINCT ON (b.chain_id, b.height, b.block_hash) b.chain_id, b.height, "
                "b.block_hash, b.header_rlp FROM chain_block b "
                "JOIN unnest(%s::bigint[], %s::bytea[]) AS w (chain_id, block_hash) "
                "ON (b.chain_id, b.block_hash) = (w.chain_id, w.block_hash) "
                "ORDER BY b.chain_id, b.height, b.block_hash",
                ([chain_id for chain_id, _ in page], [block_hash for _, block_hash in page]),
            ).fetchall()
        )


def receipts(uow: UnitOfWork, wanted: Collection[TransactionRef]) -> Iterator[ReceiptProof]:
    """Receipts with their proofs."""
    for page in _pages(sorted(wanted)):
        yield from (
            ReceiptProof(*row)
            for row in uow.execute(
                "SELECT DISTINCT ON (r.chain_id, r.block_hash, r.tx_index) r.chain_id, "
                "r.block_hash, r.tx_hash, r.tx_index, r.receipt_proof, r.tx_proof "
                "FROM chain_receipt r "
                "JOIN unnest(%s::bigint[], %s::bytea[], %s::bytea[]) "
                "  AS w (chain_id, block_hash, tx_hash) "
                "ON (r.chain_id, r.block_hash, r.tx_hash) = (w.chain_id, w.block_hash, w.tx_hash) "
                "ORDER BY r.chain_id, r.block_hash, r.tx_index",
                tuple([ref[at] for ref in page] for at in range(3)),
            ).fetchall()
        )


def _pages(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), PAGE):
        yield items[start : start + PAGE]

"""The files of a bundle, one after the other, as FORMAT.md of strongroom_verify has them."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from strongroom.auditlog import service as auditlog
from strongroom.db.actor import Actor
from strongroom.db.database import Database
from strongroom.exports import repository
from strongroom.exports.errors import ExportImpossible
from strongroom.exports.repository import LogEntry
from strongroom.exports.rules import References, all_proofs
from strongroom.kit.check import check
from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.merkle import leaf_hash

ALIVE_LINES = 1_000  # how often the job's own transaction is told that it is not idling
MEMBER_BYTES_MAX = 2_000_000_000  # ZIP's plain form ends at 2^31 - 1; the format has no other


@dataclass
class Written:
    """One finished file: its hash and how many lines it has."""

    sha256: bytes = b""
    lines: int = 0


class LineFile:
    """Writes canonical lines and hashes them on the way."""

    def __init__(self, file: BinaryIO, name: str, alive: Callable[[], None]) -> None:
        self._file, self._name, self._alive = file, name, alive
        self._digest = hashlib.sha256()
        self._size = 0
        self.lines = 0

    def write(self, line: bytes) -> None:
        """One line. Raises ExportImpossible when the file would outgrow the format."""
        self._size += len(line) + 1
        if self._size > MEMBER_BYTES_MAX:
            raise ExportImpossible(
                f"{self._name} would be larger than {MEMBER_BYTES_MAX} bytes, which one bundle "
                "cannot hold."
            )
        self._file.write(line + b"\n")
        self._digest.update(line + b"\n")
        self.lines += 1
        if self.lines % ALIVE_LINES == 0:
            self._alive()

    def sha256(self) -> bytes:
        """Hash of everything written."""
        return self._digest.digest()


@contextmanager
def line_file(path: Path, alive: Callable[[], None]) -> Iterator[tuple[LineFile, Written]]:
    """A file to write lines to; on leaving it is on the disk, and Written is filled in."""
    written = Written()
    with path.open("wb") as file:
        lines = LineFile(file, path.name, alive)
        yield lines, written
        file.flush()
        os.fsync(file.fileno())
    written.sha256, written.lines = lines.sha256(), lines.lines


@dataclass(frozen=True)
class Source:
    """Where an export reads, page by page, each in a short transaction of its own."""

    database: Database
    actor: Actor
    organisation_id: UUID
    alive: Callable[[], None]

    def pages(self, until: int, *, with_rows: bool) -> Iterator[list[LogEntry]]:
        """The organisation's records up to a place. They never change, so pages fit together."""
        after = -1
        while True:
            with self.database.read(self.organisation_id, self.actor) as uow:
                page = repository.entries(
                    uow, self.organisation_id, after, until, with_rows=with_rows
                )
            if not page:
                return
            yield page
            after = page[-1].organisation_index


def write_rows(
    source: Source, path: Path, cut: int, progress: Callable[[int], None]
) -> tuple[Written, References]:
    """rows.jsonl: every row of every record up to the cut, with its proof to the rows_root."""
    references = References()
    with line_file(path, source.alive) as (file, written):
        for page in source.pages(cut, with_rows=True):
            for entry in page:
                _write_rows_of(entry, file, references)
            progress(file.lines)
    return written, references


def _write_rows_of(entry: LogEntry, file: LineFile, references: References) -> None:
    rows: list[dict[str, Any]] = json.loads(entry.rows or b"[]")
    encoded = [canonical_bytes(row) for row in rows]
    root, proofs = all_proofs([leaf_hash(row) for row in encoded])
    check(
        json.loads(entry.record)["rows_root"] == to_hex(root),
        "the rows kept beside a record are those that it commits to",
    )
    for position, (row, proof) in enumerate(zip(rows, proofs, strict=True)):
        references.add(row)
        hexes = ",".join(f'"{to_hex(node)}"' for node in proof)
        head = f'{{"count":{len(rows)},"position":{position},"proof":[{hexes}],'
        head += f'"record":{entry.organisation_index},"row":'
        file.write(head.encode() + encoded[position] + b"}")


def write_chain(source: Source, folder: Path, references: References) -> tuple[Written, Written]:
    """blocks.jsonl and receipts.jsonl. Raises ExportImpossible naming what is not kept."""
    with source.database.read(source.organisation_id, source.actor) as uow:
        with line_file(folder / "blocks.jsonl", source.alive) as (file, blocks):
            for header in repository.headers(uow, references.blocks):
                line = {
                    "chain_id": header.chain_id,
                    "height": header.height,
                    "block_hash": to_hex(header.block_hash),
                    "header": to_hex(header.header),
                }
                file.write(canonical_bytes(line))
        with line_file(folder / "receipts.jsonl", source.alive) as (file, receipts):
            for proof in repository.receipts(uow, references.transactions):
                nodes = proof.tx_proof
                line = {
                    "chain_id": proof.chain_id,
                    "block_hash": to_hex(proof.block_hash),
                    "tx": to_hex(proof.tx_hash),
                    "tx_index": proof.tx_index,
                    "receipt_proof": [to_hex(node) for node in proof.receipt_proof],
                    "tx_proof": None if nodes is None else [to_hex(node) for node in nodes],
                }
                file.write(canonical_bytes(line))
    for found, wanted, what in (
        (blocks, references.blocks, "block headers"),
        (receipts, references.transactions, "receipts"),
    ):
        if found.lines != len(wanted):
            raise ExportImpossible(
                f"The books name {len(wanted)} {what} on chain, but the indexer keeps "
                f"{found.lines} of them; let it scan those blocks again."
            )
    return blocks, receipts


def write_records(source: Source, path: Path, last: int, size: int) -> None:
    """records.jsonl: every record up to the export's own, with its proof to the checkpoint."""
    with line_file(path, source.alive) as (file, _):
        for page in source.pages(last, with_rows=False):
            with source.database.read(source.organisation_id, source.actor) as uow:
                for entry in page:
                    proof = auditlog.inclusion_proof(uow, entry.index, size)
                    hexes = ",".join(f'"{to_hex(node)}"' for node in proof)
                    leaf = canonical_bytes(_leaf(source.organisation_id, entry))
                    line = b'{"leaf":' + leaf + f',"proof":[{hexes}],"record":'.encode()
                    file.write(line + entry.record + b"}")


def _leaf(organisation_id: UUID, entry: LogEntry) -> dict[str, Any]:
    return {
        "index": entry.index,
        "organisation": str(organisation_id),
        "organisation_index": entry.organisation_index,
        "record_hash": to_hex(entry.record_hash),
        "sequenced_at": timestamp(entry.sequenced_at),
    }


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and Z, as the log writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

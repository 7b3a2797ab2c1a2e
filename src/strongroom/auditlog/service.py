"""Every unit of work leaves one record: append() stages it, proofs show where it came to stand."""

import hashlib
from collections.abc import Mapping, Sequence
from uuid import UUID

from strongroom.auditlog import record as records
from strongroom.auditlog import tiles
from strongroom.auditlog.types import Checkpoint, Head
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.kit.ids import HOUSE


def append(
    uow: UnitOfWork,
    action: str,
    subject: str,
    body: Mapping[str, object],
    *,
    rows: Sequence[Mapping[str, object]] | None = None,
    organisation_id: UUID | None = None,
) -> bytes:
    """Stage one record in the caller's unit; gives its record hash (SHA-256, 32 bytes).

    The record commits to `rows` by their Merkle root; the rows are kept beside it. A unit that
    serves all organisations names the one concerned, else the record is the house's.
    """
    owner = organisation_id or uow.organisation_id or HOUSE
    check(uow.organisation_id in (None, owner), "a unit logs for its own organisation")
    kept, root = records.encode_rows(rows) if rows else (None, None)
    encoded = records.encode(
        organisation_id=owner,
        actor=uow.actor,
        request_id=uow.request_id,
        at=uow.now,
        action=action,
        subject=subject,
        body=body,
        rows_root=root,
    )
    record_hash = hashlib.sha256(encoded).digest()
    uow.execute(
        "INSERT INTO log_pending (organisation_id, record, record_hash, rows)"
        " VALUES (%s, %s, %s, %s)",
        (owner, encoded, record_hash, kept),
    )
    return record_hash


def head(uow: UnitOfWork) -> Head:
    """Size and root of the log now."""
    found = uow.execute("SELECT size, root, sequenced_at FROM log_head").fetchone()
    check(found is not None, "the log has a head")
    return Head(*found) if found else Head(0, b"", uow.now)


def newest_checkpoint(uow: UnitOfWork) -> Checkpoint | None:
    """The newest signed head, or None before the first."""
    found = uow.execute(
        "SELECT size, root, note, signed_at FROM log_checkpoint ORDER BY size DESC LIMIT 1"
    ).fetchone()
    return Checkpoint(*found) if found else None


def inclusion_proof(uow: UnitOfWork, index: int, size: int) -> list[bytes]:
    """The audit path of record `index` in the tree of `size` (RFC 9162, 2.1.3)."""
    return tiles.inclusion_proof(tiles.StoredTiles(uow), index, size)


def inclusion_proofs(uow: UnitOfWork, indexes: Sequence[int], size: int) -> list[list[bytes]]:
    """The audit paths of many records in one tree: each tile is read once."""
    return tiles.inclusion_proofs(tiles.StoredTiles(uow), indexes, size)


def consistency_proof(uow: UnitOfWork, first: int, second: int) -> list[bytes]:
    """Proof that the tree of `first` records is the beginning of that of `second` (2.1.4)."""
    return tiles.consistency_proof(tiles.StoredTiles(uow), first, second)


def root_at(uow: UnitOfWork, size: int) -> bytes:
    """The root of the tree of the first `size` records."""
    return tiles.root(tiles.StoredTiles(uow), size)

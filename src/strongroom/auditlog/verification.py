"""Reads the whole log again and checks that it is what its head and its checkpoints say."""

import hashlib
import json
from typing import Any, Final
from uuid import UUID

from strongroom.auditlog import record as records
from strongroom.auditlog import service
from strongroom.db.database import UnitOfWork
from strongroom_protocol.merkle import Edge, leaf_hash

_BATCH: Final = 5_000


def broken(uow: UnitOfWork) -> list[str]:
    """A sentence for the first thing of each kind that does not fit; empty when all is well.

    Needs a role that sees all organisations. Holds one batch of records in memory.
    """
    head = service.head(uow)
    wanted = {
        int(size): bytes(root)
        for size, root in uow.execute("SELECT size, root FROM log_checkpoint").fetchall()
    }
    wanted[head.size] = head.root
    edge, places = Edge.empty(), dict[UUID, int]()
    found: list[str] = []
    while edge.size < head.size and not found:
        rows = uow.execute(
            "SELECT index, organisation_id, organisation_index, record, record_hash, rows,"
            " sequenced_at FROM log_record WHERE index >= %s ORDER BY index LIMIT %s",
            (edge.size, _BATCH),
        ).fetchall()
        if not rows:
            return [f"The log's head says {head.size} records, but record {edge.size} is missing."]
        for row in rows:
            found += _broken_record(edge.size, places, row)
            leaf = records.leaf_content(row[0], row[1], row[2], bytes(row[4]), row[6])
            edge = edge.append(leaf_hash(leaf))
            if edge.size in wanted and wanted[edge.size] != edge.root():
                found.append(f"The tree of {edge.size} records has another root than was stored.")
            if found:
                break
    return found


def _broken_record(index: int, places: dict[UUID, int], row: tuple[Any, ...]) -> list[str]:
    found: list[str] = []
    stored_index, organisation, place, record, record_hash, rows, _ = row
    if stored_index != index:
        found.append(f"Record {index} is missing: the next one is {stored_index}.")
    if place != places.get(organisation, 0):
        found.append(f"Record {index} is number {place} of {organisation}, which leaves a gap.")
    places[organisation] = place + 1
    if hashlib.sha256(record).digest() != bytes(record_hash):
        found.append(f"Record {index} is not what its hash was made of.")
    said = json.loads(bytes(record))["rows_root"]
    kept = None if rows is None else records.encode_rows(json.loads(bytes(rows)))[1]
    if said != (None if kept is None else "0x" + kept.hex()):
        found.append(f"The rows kept beside record {index} are not those it commits to.")
    return found

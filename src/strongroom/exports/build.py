"""The job: writes the rows, logs the export, waits for the checkpoint over it, seals the bundle.

Each delivery takes one step and asks to be called again while the log is not far enough; how often
is bounded. Until the last step nothing bears the bundle's name.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import select

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.actor import Actor, system
from strongroom.db.database import Database, UnitOfWork
from strongroom.exports import parts, repository
from strongroom.exports.archive import write_archive
from strongroom.exports.errors import ExportImpossible, ExportUnknown
from strongroom.exports.models import Export
from strongroom.exports.parts import Source, Written
from strongroom.exports.rules import References
from strongroom.exports.service import TOPIC, bundle_path
from strongroom.kit.crash import crash_point
from strongroom.screening import service as screening
from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.encoding import to_hex

FORMAT: Final = "strongroom.export/1"
BUILT: Final = "exports.built"
WAITS_MAX: Final = 300
WAIT: Final = timedelta(seconds=1)
_ACTOR: Final[Actor] = system("exports")


@dataclass(frozen=True)
class Builder:
    """Builds bundles into `export_dir`, which is made if it is not there; no world may read it."""

    database: Database
    export_dir: Path

    def step(self, uow: UnitOfWork, export_id: UUID) -> None:
        """One delivery of exports.build. Raises ExportUnknown."""
        row = uow.session.scalars(select(Export).where(Export.id == export_id)).one_or_none()
        if row is None:
            raise ExportUnknown(f"There is no export {export_id}.")
        if row.state in {"ready", "failed"} or not repository.claim_build(uow, export_id):
            return
        try:
            went_on = self._seal(uow, row) if row.built_hash else self._write(uow, row)
        except ExportImpossible as error:
            shutil.rmtree(self._folder(row), ignore_errors=True)
            self._fail(uow, row, error.message)
            return
        if row.state == "ready":
            return
        row.waits = 0 if went_on else row.waits + 1
        if row.waits > WAITS_MAX:
            self._fail(
                uow,
                row,
                "The log did not sign this export's record in time; see whether relay and signer "
                "run, then ask for a new export.",
            )
            return
        uow.session.flush()
        outbox.enqueue(
            uow,
            TOPIC,
            f"{row.id}:{row.state}:{uow.new_id()}",
            {"export_id": str(row.id)},
            due_at=uow.now if went_on else uow.now + WAIT,
            organisation_id=row.organisation_id,
        )

    def _write(self, uow: UnitOfWork, row: Export) -> bool:
        """Write what the manifest names, then log the export. False while the log is behind."""
        asked = repository.entry_by_hash(uow, row.organisation_id, row.request_hash)
        checkpoint = auditlog.newest_checkpoint(uow)
        if asked is None or checkpoint is None:
            return False
        cut = asked.organisation_index
        folder = self._folder(row)
        shutil.rmtree(folder, ignore_errors=True)
        self.export_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        source = self._source(uow, row)
        rows, references = parts.write_rows(
            source, folder / "rows.jsonl", cut, lambda lines: self._tell(row, lines)
        )
        blocks, receipts = parts.write_chain(source, folder, references)
        origin = checkpoint.note.split("\n", 1)[0]
        files = {"rows.jsonl": rows, "blocks.jsonl": blocks, "receipts.jsonl": receipts}
        manifest = _manifest(uow, row, cut, origin, files, references)
        _write_whole(folder / "manifest.json", manifest)
        crash_point("exports.written")
        body = {"manifest_sha256": to_hex(hashlib.sha256(manifest).digest())}
        row.built_hash = auditlog.append(
            uow, BUILT, str(row.id), body, organisation_id=row.organisation_id
        )
        row.state, row.cut = "awaiting_checkpoint", cut
        row.progress_rows = row.total_rows = rows.lines
        return True

    def _seal(self, uow: UnitOfWork, row: Export) -> bool:
        """Add records and checkpoint, and pack. False while no checkpoint covers the export."""
        own = repository.entry_by_hash(uow, row.organisation_id, row.built_hash or b"")
        checkpoint = auditlog.newest_checkpoint(uow)
        if own is None or checkpoint is None or checkpoint.size <= own.index:
            return False
        folder = self._folder(row)
        if not _holds_manifest(folder, own.record):
            # Another machine, or an emptied folder: write again, with a new record.
            row.built_hash, row.state = None, "requested"
            return True
        source = self._source(uow, row)
        last, size = own.organisation_index, checkpoint.size
        parts.write_records(source, folder / "records.jsonl", last, size)
        _write_whole(folder / "checkpoint.txt", checkpoint.note.encode())
        repository.keep_alive(uow)
        row.sha256, row.size_bytes = write_archive(folder, bundle_path(self.export_dir, row.id))
        crash_point("exports.sealed")
        row.state, row.finished_at, row.reason = "ready", uow.now, None
        uow.session.flush()
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def _source(self, uow: UnitOfWork, row: Export) -> Source:
        """Reads in transactions of its own, and keeps the job's from being ended for idling."""
        alive = partial(repository.keep_alive, uow)
        return Source(self.database, _ACTOR, row.organisation_id, alive)

    def _tell(self, row: Export, rows: int) -> None:
        """Store the progress at once, in a unit of its own, for whoever watches."""
        with self.database.unit(row.organisation_id, _ACTOR) as uow:
            uow.execute(
                "UPDATE export SET state = 'writing', progress_rows = %s "
                "WHERE organisation_id = %s AND id = %s AND state IN ('requested', 'writing')",
                (rows, row.organisation_id, row.id),
            )

    def _fail(self, uow: UnitOfWork, row: Export, reason: str) -> None:
        row.state, row.reason, row.finished_at = "failed", reason, uow.now
        uow.session.flush()
        auditlog.append(
            uow,
            "exports.failed",
            str(row.id),
            {"reason": reason},
            organisation_id=row.organisation_id,
        )

    def _folder(self, row: Export) -> Path:
        return self.export_dir / f".{row.id}.parts"


def _manifest(
    uow: UnitOfWork,
    row: Export,
    cut: int,
    origin: str,
    files: dict[str, Written],
    references: References,
) -> bytes:
    return canonical_bytes(
        {
            "type": FORMAT,
            "export": str(row.id),
            "organisation": str(row.organisation_id),
            "created_at": parts.timestamp(uow.now),
            "software": f"strongroom {importlib.metadata.version('strongroom')}",
            "cut": cut,
            "log": {"origin": origin},
            "files": {
                name: {"sha256": to_hex(written.sha256), "lines": written.lines}
                for name, written in files.items()
            },
            "sums": {asset: str(units) for asset, units in references.sums.items()},
            "tokens": references.tokens,
            "lists": [
                {
                    "name": version.name,
                    "version": version.version,
                    "sha256": to_hex(version.content_hash),
                }
                for version in screening.lists(uow)
            ],
        }
    )


def _holds_manifest(folder: Path, record: bytes) -> bool:
    """Whether the folder still holds what the export's record names."""
    stated: str = json.loads(record)["body"]["manifest_sha256"]
    try:
        raw = (folder / "manifest.json").read_bytes()
    except OSError:
        return False
    return to_hex(hashlib.sha256(raw).digest()) == stated


def _write_whole(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())

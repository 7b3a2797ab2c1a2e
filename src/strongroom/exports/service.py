"""Exports' door: ask for one, see how far it is, find its file. The worker builds it."""

from pathlib import Path
from typing import cast
from uuid import UUID

from sqlalchemy import select

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.exports.errors import ExportNotReady, ExportUnknown
from strongroom.exports.models import Export
from strongroom.exports.types import ExportState, ExportView

TOPIC = "exports.build"
REQUESTED = "exports.requested"
PAGE_MAX = 500


def request_export(uow: UnitOfWork, *, organisation_id: UUID) -> UUID:
    """Ask for a bundle of everything until now. Leaves the unit's record: it is the cut."""
    export_id = uow.new_id()
    request_hash = auditlog.append(
        uow, REQUESTED, str(export_id), {}, organisation_id=organisation_id
    )
    uow.session.add(
        Export(
            organisation_id=organisation_id,
            id=export_id,
            state="requested",
            request_hash=request_hash,
            progress_rows=0,
            waits=0,
            requested_by=f"{uow.actor.kind}:{uow.actor.id}",
            requested_at=uow.now,
        )
    )
    uow.session.flush()
    payload = {"export_id": str(export_id)}
    outbox.enqueue(uow, TOPIC, f"{export_id}:0", payload, organisation_id=organisation_id)
    return export_id


def get(uow: UnitOfWork, export_id: UUID) -> ExportView:
    """How far an export is. Raises ExportUnknown."""
    query = select(Export).where(Export.id == export_id)
    if uow.organisation_id is not None:
        query = query.where(Export.organisation_id == uow.organisation_id)
    found = uow.session.scalars(query).one_or_none()
    if found is None:
        raise ExportUnknown(f"There is no export {export_id} here.")
    return _view(found)


def list_exports(
    uow: UnitOfWork, organisation_id: UUID, after: UUID | None = None, limit: int = 50
) -> list[ExportView]:
    """An organisation's exports, newest first; `after` is the last id of the page before."""
    query = select(Export).filter_by(organisation_id=organisation_id).order_by(Export.id.desc())
    if after is not None:
        query = query.where(Export.id < after)
    return [_view(row) for row in uow.session.scalars(query.limit(min(limit, PAGE_MAX)))]


def path(uow: UnitOfWork, export_id: UUID, export_dir: Path) -> Path:
    """The bundle's file. Raises ExportUnknown, ExportNotReady."""
    view = get(uow, export_id)
    file = bundle_path(export_dir, export_id)
    if view.state != "ready":
        why = f": {view.reason}" if view.reason else "; ask again in a moment"
        raise ExportNotReady(f"The export is {view.state}{why}.")
    if not file.is_file():
        raise ExportNotReady(
            "The export's file is not in this machine's export folder; ask for a new export."
        )
    return file


def bundle_path(export_dir: Path, export_id: UUID) -> Path:
    """Where a bundle stands once it is ready."""
    return export_dir / f"strongroom-export-{export_id}.zip"


def _view(row: Export) -> ExportView:
    return ExportView(
        id=row.id,
        organisation_id=row.organisation_id,
        state=cast("ExportState", row.state),
        progress_rows=row.progress_rows,
        total_rows=row.total_rows,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        reason=row.reason,
    )

"""Reconciliation, exports and the audit log's head."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import FileResponse, PlainTextResponse

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import After, Page, PageSize, Shown, page
from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.exports import service as exports
from strongroom.exports.types import ExportView
from strongroom.identity.types import Role
from strongroom.kit.errors import Unavailable
from strongroom.reconciliation import service as reconciliation
from strongroom.reconciliation.types import ReconciliationRow
from strongroom_protocol.addresses import checksum


class NoCheckpoint(Unavailable):
    """The log has no signed head yet."""

    code = "log.no_checkpoint"


router = APIRouter(tags=["proofs"])
PROVING = [Depends(needs(Role.COMPLIANCE, Role.AUDITOR, Role.OWNER))]


class DifferenceOut(Shown):
    """An account where the sides differ: chain less books, in smallest units. It began above
    equal_height and not above differs_height, as far as that could be found out.
    """

    address: str
    difference: str
    height: int
    equal_height: int | None
    differs_height: int | None


class AssetOut(Shown):
    """One asset: what the ledger says of custody, and what the chain holds, in smallest units."""

    asset: str
    ledger_units: str
    chain_units: str
    difference: str
    addresses: list[str]
    differences: list[DifferenceOut]


class ReconciliationOut(Shown):
    """The newest comparison of each account; height and hash are those of the newest of all."""

    height: int | None
    block_hash: str | None
    compared_at: datetime | None
    items: list[AssetOut]


class ExportOut(Shown):
    """An export on its way, or ready."""

    id: UUID
    state: str
    reason: str | None
    progress_rows: int
    total_rows: int | None
    sha256: str | None
    size_bytes: int | None
    requested_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, view: ExportView) -> "ExportOut":
        """Show a view."""
        return cls(
            id=view.id,
            state=view.state,
            reason=view.reason,
            progress_rows=view.progress_rows,
            total_rows=view.total_rows,
            sha256=None if view.sha256 is None else view.sha256.hex(),
            size_bytes=view.size_bytes,
            requested_at=view.requested_at,
            finished_at=view.finished_at,
        )


@router.get("/reconciliation")
def latest(query: Reading) -> ReconciliationOut:
    """Ledger and chain side by side, by asset, at the latest compared finalized block."""
    rows = query.run(reconciliation.latest)
    if not rows:
        return ReconciliationOut(height=None, block_hash=None, compared_at=None, items=[])
    newest = max(rows, key=lambda row: row.height)
    by_asset: dict[str, list[ReconciliationRow]] = defaultdict(list)
    for row in rows:
        by_asset[row.asset].append(row)
    return ReconciliationOut(
        height=newest.height,
        block_hash="0x" + newest.block_hash.hex(),
        compared_at=newest.compared_at,
        items=[_asset(asset, found) for asset, found in sorted(by_asset.items())],
    )


@router.post("/exports", status_code=202, dependencies=PROVING)
def request_export(command: Posting) -> Response:
    """Ask for an export of the organisation's books and log; it is written in the background."""
    organisation_id = command.organisation_id

    def work(uow: UnitOfWork) -> ExportOut:
        identifier = exports.request_export(uow, organisation_id=organisation_id)
        return ExportOut.of(exports.get(uow, identifier))

    return command.run(work, status=202)


@router.get("/exports", dependencies=PROVING)
def list_exports(query: Reading, after: After = None, limit: PageSize = 50) -> Page[ExportOut]:
    """Exports of the organisation, newest first."""
    organisation_id = query.caller.organisation_id
    rows = query.run(
        lambda uow: exports.list_exports(uow, organisation_id, after=after, limit=limit + 1)
    )
    return page(rows, limit, ExportOut.of, lambda row: row.id)


@router.get("/exports/{export_id}", dependencies=PROVING)
def get_export(export_id: UUID, query: Reading) -> ExportOut:
    """How far an export is."""
    return query.run(lambda uow: ExportOut.of(exports.get(uow, export_id)))


@router.get("/exports/{export_id}/bundle", response_class=FileResponse, dependencies=PROVING)
def bundle(export_id: UUID, query: Reading) -> FileResponse:
    """The bundle: check it with `strongroom-verify`."""
    found = query.run(lambda uow: exports.path(uow, export_id, query.services.export_dir))
    return FileResponse(found, media_type="application/zip", filename=f"export-{export_id}.zip")


@router.get("/log/checkpoint", response_class=PlainTextResponse)
def checkpoint(query: Reading) -> PlainTextResponse:
    """The newest signed head of the audit log, as a C2SP signed note: keep it, compare later."""
    found = query.run(auditlog.newest_checkpoint)
    if found is None:
        raise NoCheckpoint("The log has no signed head yet; ask again in a second.")
    return PlainTextResponse(found.note)


def _asset(asset: str, rows: list[ReconciliationRow]) -> AssetOut:
    ledger = sum(row.ledger_units for row in rows)
    chain = sum(row.chain_units for row in rows)
    return AssetOut(
        asset=asset,
        ledger_units=str(ledger),
        chain_units=str(chain),
        difference=str(chain - ledger),
        addresses=[checksum(row.address) for row in rows],
        differences=[
            DifferenceOut(
                address=checksum(row.address),
                difference=str(row.difference),
                height=row.height,
                equal_height=row.equal_height,
                differs_height=row.differs_height,
            )
            for row in rows
            if row.difference
        ],
    )

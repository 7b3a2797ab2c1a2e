"""Sanctions lists and alerts."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import After, Name, Page, PageSize, Shown, Strict, page
from strongroom.db.database import UnitOfWork
from strongroom.identity.types import Role
from strongroom.kit.ids import HOUSE
from strongroom.screening import service as screening
from strongroom.screening.types import AlertView, ListVersion

router = APIRouter(tags=["compliance"])
OPERATING = [Depends(needs(Role.OPERATOR))]
WATCHING = [Depends(needs(Role.COMPLIANCE, Role.OWNER, Role.AUDITOR))]
COMPLIANCE = [Depends(needs(Role.COMPLIANCE))]
LIST_CHARACTERS_MAX = 3_000_000


class ListIn(Strict):
    """A list to import: one address a line, or OFAC's SDN file."""

    name: Name
    source: Annotated[str, Field(min_length=1, max_length=300)]
    form: Literal["plain", "ofac_sdn"] = "plain"
    content: Annotated[str, Field(min_length=1, max_length=LIST_CHARACTERS_MAX)]


class RefusedLineOut(Shown):
    """A line that names no address that can be used."""

    line: int
    text: str
    why: str


class ListOut(Shown):
    """One import of a list; versions rise over all lists."""

    name: str
    version: int
    source: str
    form: str
    content_hash: str
    total: int
    added: int
    removed: int
    refused: list[RefusedLineOut]
    imported_at: datetime

    @classmethod
    def of(cls, view: ListVersion) -> "ListOut":
        """Show a view."""
        refused = [RefusedLineOut(line=e.line, text=e.text, why=e.why) for e in view.refused]
        return cls(
            name=view.name,
            version=view.version,
            source=view.source,
            form=view.form,
            content_hash="0x" + view.content_hash.hex(),
            total=view.total,
            added=view.added,
            removed=view.removed,
            refused=refused,
            imported_at=view.imported_at,
        )


class AlertOut(Shown):
    """Something that people must look at."""

    id: UUID
    kind: str
    subject: str
    reference: str
    detail: dict[str, Any]
    state: str
    snoozed_until: datetime | None
    opened_at: datetime

    @classmethod
    def of(cls, view: AlertView) -> "AlertOut":
        """Show a view."""
        return cls(
            id=view.id,
            kind=view.kind,
            subject=view.subject,
            reference=view.reference,
            detail=dict(view.detail),
            state=view.state,
            snoozed_until=view.snoozed_until,
            opened_at=view.opened_at,
        )


class MoveIn(Strict):
    """Where an alert goes, and why."""

    to: Literal["OPEN", "SNOOZED", "MERGED", "ESCALATED", "CLOSED"]
    why: Annotated[str, Field(min_length=3, max_length=500)]
    until: datetime | None = None


@router.post("/screening/lists", status_code=201, dependencies=OPERATING)
def import_list(body: ListIn, command: Posting) -> Response:
    """Import a list as a new version; everything not yet final is screened again."""

    def work(uow: UnitOfWork) -> ListOut:
        view = screening.import_list(
            uow,
            name=body.name,
            source=body.source,
            content=body.content.encode(),
            form=body.form,
        )
        return ListOut.of(view)

    return command.within(HOUSE).run(work)


@router.get("/screening/lists")
def lists(query: Reading) -> Page[ListOut]:
    """The lists in force."""
    rows = query.run(screening.lists)
    return Page(items=[ListOut.of(row) for row in rows], next=None)


@router.get("/alerts", dependencies=WATCHING)
def alerts(query: Reading, after: After = None, limit: PageSize = 50) -> Page[AlertOut]:
    """Alerts of the organisation, newest first."""
    organisation_id = query.caller.organisation_id
    rows = query.run(lambda uow: screening.alerts(uow, organisation_id, after, limit + 1))
    return page(rows, limit, AlertOut.of, lambda row: row.id)


@router.post("/alerts/{alert_id}/moves", status_code=200, dependencies=COMPLIANCE)
def move_alert(alert_id: UUID, body: MoveIn, command: Posting) -> Response:
    """Snooze, escalate, merge or close an alert, with a reason that is kept."""
    return command.run(
        lambda uow: AlertOut.of(
            screening.move_alert(uow, alert_id, body.to, body.why, until=body.until)
        ),
        status=200,
    )

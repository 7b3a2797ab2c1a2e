"""Webhooks: endpoints, their secrets, the delivery log, replays; and the events themselves."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, Field, StringConstraints

from strongroom.api.command import CREATED, Command, Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import After, Page, PageSize, Shown, Strict, page
from strongroom.db.database import UnitOfWork
from strongroom.identity.types import Role
from strongroom.webhooks import rules
from strongroom.webhooks import service as webhooks
from strongroom.webhooks.service import Changes
from strongroom.webhooks.types import DeliveryView, EndpointView, EventView, TryView

READING = [
    Depends(needs(Role.OPERATOR, Role.OWNER, Role.ADMINISTRATOR, Role.COMPLIANCE, Role.AUDITOR))
]
CHANGING = [Depends(needs(Role.OPERATOR, Role.OWNER, Role.ADMINISTRATOR))]
router = APIRouter(tags=["webhooks"])

Url = Annotated[str, Field(min_length=8, max_length=2_000)]
Label = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)]
Types = Annotated[list[Annotated[str, Field(max_length=60)]], Field(min_length=1, max_length=50)]


class WebhookIn(Strict):
    """An https address. `types`: names such as deposit.credited, areas such as deposit.*, or *."""

    url: Url
    label: Label = ""
    types: Types = Field(default=["*"])


class WebhookChangesIn(Strict):
    """What is to be otherwise; what is left out stays."""

    url: Url | None = None
    label: Label | None = None
    types: Types | None = None


class StateIn(Strict):
    """`removed` is for good."""

    state: Literal["enabled", "disabled", "removed"]
    why: Annotated[str, Field(min_length=1, max_length=300)] = "As an administrator asked."


class RotationIn(Strict):
    """For how long the secret before this one signs beside it; 0 ends it now."""

    overlap_hours: Annotated[int, Field(ge=0, le=rules.OVERLAP_HOURS_MAX)] = 24


class ReplayIn(Strict):
    """What happened in [since, until); of it only `event_ids`, if any are named."""

    since: AwareDatetime
    until: AwareDatetime | None = None
    event_ids: Annotated[list[UUID], Field(max_length=1_000)] = Field(default=[])


class WebhookOut(Shown):
    """An endpoint. `secret` is shown once, in the first answer that made it; `pending` counts the
    events that wait for it.
    """

    id: UUID
    url: str
    label: str
    types: list[str]
    state: str
    reason: str
    secret: str | None = None
    secret_version: int
    overlap_until: datetime | None
    failures: int
    failing_since: datetime | None
    succeeded_at: datetime | None
    pending: int
    created_at: datetime

    @classmethod
    def of(cls, view: EndpointView) -> "WebhookOut":
        """Show a view."""
        return cls(
            id=view.id,
            url=view.url,
            label=view.label,
            types=list(view.types),
            state=view.state,
            reason=view.reason,
            secret_version=view.secret_version,
            overlap_until=view.overlap_until,
            failures=view.failures,
            failing_since=view.failing_since,
            succeeded_at=view.succeeded_at,
            pending=view.pending,
            created_at=view.created_at,
        )


class EventOut(Shown):
    """What happened. `sequence` counts the subject's events from 1, without a gap; `retracts` names
    earlier events of the subject that did not last.
    """

    id: UUID
    type: str
    subject: str
    sequence: int
    data: dict[str, Any]
    retracts: list[UUID]
    at: datetime

    @classmethod
    def of(cls, view: EventView) -> "EventOut":
        """Show a view."""
        return cls(
            id=view.id,
            type=view.type,
            subject=view.subject,
            sequence=view.number,
            data=dict(view.body),
            retracts=list(view.retracts),
            at=view.at,
        )


class DeliveryOut(Shown):
    """How far one event is with one endpoint; `due_at` is its next try while it is pending."""

    event_id: UUID
    type: str
    subject: str
    sequence: int
    state: str
    tries: int
    due_at: datetime
    done_at: datetime | None

    @classmethod
    def of(cls, view: DeliveryView) -> "DeliveryOut":
        """Show a view."""
        return cls(
            event_id=view.event_id,
            type=view.type,
            subject=view.subject,
            sequence=view.number,
            state=view.state,
            tries=view.tries,
            due_at=view.due_at,
            done_at=view.done_at,
        )


class TryOut(Shown):
    """One POST. `status` is HTTP's, null when no answer came."""

    id: int
    event_id: UUID
    type: str
    at: datetime
    milliseconds: int
    status: int | None
    outcome: str

    @classmethod
    def of(cls, view: TryView) -> "TryOut":
        """Show a view."""
        return cls(
            id=view.id,
            event_id=view.event_id,
            type=view.type,
            at=view.at,
            milliseconds=view.milliseconds,
            status=view.status,
            outcome=view.outcome,
        )


class CountOut(Shown):
    """How many events are sent again."""

    events: int


def _with_secret(command: Command, work: Callable[[UnitOfWork], EndpointView]) -> Response:
    """The answer that is kept under the key has no secret: only the first one shows it."""
    secrets = command.services.webhooks.secrets
    made: list[EndpointView] = []

    def unit(uow: UnitOfWork) -> WebhookOut:
        made.append(work(uow))
        return WebhookOut.of(made[-1])

    kept = command.run(unit)
    if not made:
        return kept
    secret = secrets.shown(made[-1].id, made[-1].secret_version)
    shown = WebhookOut.of(made[-1]).model_copy(update={"secret": secret})
    return Response(shown.model_dump_json(), CREATED, media_type="application/json")


@router.post("/webhooks", response_model=WebhookOut, status_code=CREATED, dependencies=CHANGING)
def add(body: WebhookIn, command: Posting) -> Response:
    """Add an endpoint. Its secret is in this answer and in no other: a retry does not show it."""
    guard = command.services.webhooks.guard

    def work(uow: UnitOfWork) -> EndpointView:
        return webhooks.add(uow, guard, url=body.url, label=body.label, types=body.types)

    return _with_secret(command, work)


@router.get("/webhooks", dependencies=READING)
def listing(query: Reading) -> Page[WebhookOut]:
    """Every endpoint that was not removed."""
    rows = query.run(webhooks.endpoints)
    return Page(items=[WebhookOut.of(row) for row in rows], next=None)


@router.get("/webhooks/{webhook_id}", dependencies=READING)
def detail(webhook_id: UUID, query: Reading) -> WebhookOut:
    """One endpoint."""
    return query.run(lambda uow: WebhookOut.of(webhooks.get(uow, webhook_id)))


@router.post(
    "/webhooks/{webhook_id}/changes",
    response_model=WebhookOut,
    status_code=200,
    dependencies=CHANGING,
)
def change(webhook_id: UUID, body: WebhookChangesIn, command: Posting) -> Response:
    """Another address, label or filter."""
    guard = command.services.webhooks.guard
    changes = Changes(body.url, body.label, None if body.types is None else tuple(body.types))
    return command.run(
        lambda uow: WebhookOut.of(webhooks.change(uow, guard, webhook_id, changes)), status=200
    )


@router.post(
    "/webhooks/{webhook_id}/secret",
    response_model=WebhookOut,
    status_code=CREATED,
    dependencies=CHANGING,
)
def rotate(webhook_id: UUID, body: RotationIn, command: Posting) -> Response:
    """Make the next secret, shown in this answer and in no other."""
    return _with_secret(command, lambda uow: webhooks.rotate(uow, webhook_id, body.overlap_hours))


@router.post(
    "/webhooks/{webhook_id}/state",
    response_model=WebhookOut,
    status_code=200,
    dependencies=CHANGING,
)
def stand(webhook_id: UUID, body: StateIn, command: Posting) -> Response:
    """Enable, disable or remove. What waits is sent once it is enabled again."""

    def work(uow: UnitOfWork) -> WebhookOut:
        if body.state == "enabled":
            return WebhookOut.of(webhooks.enable(uow, webhook_id))
        if body.state == "disabled":
            return WebhookOut.of(webhooks.disable(uow, webhook_id, body.why))
        return WebhookOut.of(webhooks.remove(uow, webhook_id))

    return command.run(work, status=200)


@router.post(
    "/webhooks/{webhook_id}/tests",
    response_model=WebhookOut,
    status_code=202,
    dependencies=CHANGING,
)
def send_test(webhook_id: UUID, command: Posting) -> Response:
    """Send an event `webhook.test` to this endpoint, whatever its filter."""

    def work(uow: UnitOfWork) -> WebhookOut:
        webhooks.send_test(uow, webhook_id)
        return WebhookOut.of(webhooks.get(uow, webhook_id))

    return command.run(work, status=202)


@router.post(
    "/webhooks/{webhook_id}/replays",
    response_model=CountOut,
    status_code=202,
    dependencies=CHANGING,
)
def replay(webhook_id: UUID, body: ReplayIn, command: Posting) -> Response:
    """Send again what happened then, under the same ids: 10,000 events at most."""

    def work(uow: UnitOfWork) -> CountOut:
        count = webhooks.replay(
            uow, webhook_id, since=body.since, until=body.until, event_ids=body.event_ids
        )
        return CountOut(events=count)

    return command.run(work, status=202)


@router.get("/webhooks/{webhook_id}/deliveries", dependencies=READING)
def deliveries(
    webhook_id: UUID, query: Reading, after: After = None, limit: PageSize = 50
) -> Page[DeliveryOut]:
    """How far each event is with this endpoint, the newest event first."""
    rows = query.run(lambda uow: webhooks.deliveries(uow, webhook_id, after, limit + 1))
    return page(rows, limit, DeliveryOut.of, lambda row: row.event_id)


@router.get("/webhooks/{webhook_id}/tries", dependencies=READING)
def tries(
    webhook_id: UUID,
    query: Reading,
    after: Annotated[int | None, Query(ge=1)] = None,
    limit: PageSize = 50,
) -> Page[TryOut]:
    """The delivery log: each POST and what came of it, the newest first."""
    rows = query.run(lambda uow: webhooks.tries(uow, webhook_id, after, limit + 1))
    return page(rows, limit, TryOut.of, lambda row: row.id)


@router.get("/events", dependencies=READING)
def happened(
    query: Reading,
    subject: Annotated[str | None, Query(max_length=200)] = None,
    after: After = None,
    limit: PageSize = 50,
) -> Page[EventOut]:
    """What happened since the organisation's first webhook, the newest first."""
    rows = query.run(lambda uow: webhooks.happened(uow, subject, after, limit + 1))
    return page(rows, limit, EventOut.of, lambda row: row.id)

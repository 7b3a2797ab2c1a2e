"""Rows of webhooks: found, locked, told as others see them. Nothing here decides."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import func, select

from strongroom.db.database import UnitOfWork
from strongroom.db.tables import EventRow
from strongroom.webhooks.errors import EndpointRemoved, EndpointUnknown
from strongroom.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookTry
from strongroom.webhooks.types import (
    DeliveryState,
    DeliveryView,
    EndpointState,
    EndpointView,
    EventView,
    TryView,
)

PAGE_MAX = 500


def find(uow: UnitOfWork, owner: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    """One endpoint, whatever its state. Raises EndpointUnknown."""
    row = uow.session.get(WebhookEndpoint, (owner, endpoint_id))
    if row is None:
        raise EndpointUnknown("The organisation has no such webhook.")
    return row


def lock(uow: UnitOfWork, owner: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    """One endpoint, locked, to be changed. Raises EndpointUnknown, EndpointRemoved."""
    row = uow.session.scalars(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.organisation_id == owner, WebhookEndpoint.id == endpoint_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise EndpointUnknown("The organisation has no such webhook.")
    if row.state == "removed":
        raise EndpointRemoved("This webhook was removed, and stays so; add another.")
    return row


def endpoints(uow: UnitOfWork, owner: UUID) -> list[EndpointView]:
    """Every endpoint that was not removed, the oldest first."""
    rows = uow.session.scalars(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.organisation_id == owner, WebhookEndpoint.state != "removed")
        .order_by(WebhookEndpoint.id)
    )
    return [view(uow, row) for row in rows]


def view(uow: UnitOfWork, row: WebhookEndpoint) -> EndpointView:
    """As it stands, with how much waits for it."""
    waiting = select(func.count()).where(
        WebhookDelivery.organisation_id == row.organisation_id,
        WebhookDelivery.endpoint_id == row.id,
        WebhookDelivery.state == "pending",
    )
    return EndpointView(
        id=row.id,
        url=row.url,
        label=row.label,
        types=tuple(row.types),
        state=cast("EndpointState", row.state),
        reason=row.reason,
        secret_version=row.secret_version,
        overlap_until=row.overlap_until,
        failures=row.failures,
        failing_since=row.failing_since,
        pending=uow.session.scalar(waiting) or 0,
        succeeded_at=row.succeeded_at,
        created_at=row.created_at,
    )


def events(
    uow: UnitOfWork, owner: UUID, subject: str | None, after: UUID | None, limit: int
) -> list[EventView]:
    """Events, the newest first."""
    query = select(EventRow).where(EventRow.organisation_id == owner)
    if subject is not None:
        query = query.where(EventRow.subject == subject)
    if after is not None:
        query = query.where(EventRow.id < after)
    rows = uow.session.scalars(query.order_by(EventRow.id.desc()).limit(min(limit, PAGE_MAX)))
    return [_event(row) for row in rows]


def due(uow: UnitOfWork, owner: UUID, endpoint_id: UUID, limit: int) -> list[EventView]:
    """What is to be sent to an endpoint now, in the order in which it happened."""
    rows = uow.session.scalars(
        _of_endpoint(select(EventRow), owner, endpoint_id)
        .where(WebhookDelivery.state == "pending", WebhookDelivery.due_at <= uow.now)
        .order_by(EventRow.at, EventRow.number, EventRow.id)
        .limit(limit)
    )
    return [_event(row) for row in rows]


def deliveries(
    uow: UnitOfWork, owner: UUID, endpoint_id: UUID, after: UUID | None, limit: int
) -> list[DeliveryView]:
    """How far each event is with an endpoint, the newest event first."""
    query = _of_endpoint(select(EventRow, WebhookDelivery), owner, endpoint_id)
    if after is not None:
        query = query.where(EventRow.id < after)
    rows = uow.session.execute(query.order_by(EventRow.id.desc()).limit(min(limit, PAGE_MAX)))
    return [
        DeliveryView(
            event_id=event.id,
            type=event.type,
            subject=event.subject,
            number=event.number,
            state=cast("DeliveryState", row.state),
            tries=row.tries,
            due_at=row.due_at,
            done_at=row.done_at,
        )
        for event, row in rows
    ]


def tries(
    uow: UnitOfWork, owner: UUID, endpoint_id: UUID, after: int | None, limit: int
) -> list[TryView]:
    """Each POST to an endpoint, the newest first."""
    query = (
        select(WebhookTry, EventRow.type)
        .join(
            EventRow,
            (EventRow.organisation_id == WebhookTry.organisation_id)
            & (EventRow.id == WebhookTry.event_id),
        )
        .where(WebhookTry.organisation_id == owner, WebhookTry.endpoint_id == endpoint_id)
    )
    if after is not None:
        query = query.where(WebhookTry.id < after)
    rows = uow.session.execute(query.order_by(WebhookTry.id.desc()).limit(min(limit, PAGE_MAX)))
    return [
        TryView(
            id=row.id,
            event_id=row.event_id,
            type=type_,
            at=row.at,
            milliseconds=row.milliseconds,
            status=row.status,
            outcome=row.outcome,
        )
        for row, type_ in rows
    ]


def plan(
    uow: UnitOfWork, owner: UUID, event_ids: Sequence[UUID], endpoint_id: UUID | None = None
) -> int:
    """Deliveries of these events to the enabled endpoints that ask for their type, once each;
    a test is its endpoint's own. `endpoint_id`: that one only, and what is done is sent again.
    Returns how many.
    """
    again = (
        "UPDATE SET state = 'pending', tries = 0, due_at = excluded.due_at, done_at = NULL"
        if endpoint_id is not None
        else "NOTHING"
    )
    return uow.execute(
        f"""
        INSERT INTO webhook_delivery
            (organisation_id, endpoint_id, event_id, state, tries, due_at, planned_at)
        SELECT e.organisation_id, w.id, e.id, 'pending', 0, %(now)s, %(now)s
        FROM event e JOIN webhook_endpoint w USING (organisation_id)
        WHERE e.organisation_id = %(owner)s AND e.id = ANY(%(events)s)
          AND w.state = 'enabled' AND (%(only)s::uuid IS NULL OR w.id = %(only)s)
          AND CASE split_part(e.type, '.', 1)
              WHEN 'webhook' THEN e.subject = 'webhook:' || w.id
              ELSE w.types && ARRAY['*', e.type, split_part(e.type, '.', 1) || '.*'] END
        ORDER BY w.id, e.id
        ON CONFLICT (organisation_id, endpoint_id, event_id) DO {again}
        """,  # noqa: S608 - one of two texts above
        {"owner": owner, "events": list(event_ids), "only": endpoint_id, "now": uow.now},
    ).rowcount


def _of_endpoint(query: Any, owner: UUID, endpoint_id: UUID) -> Any:
    return query.join(
        WebhookDelivery,
        (EventRow.organisation_id == WebhookDelivery.organisation_id)
        & (EventRow.id == WebhookDelivery.event_id),
    ).where(WebhookDelivery.organisation_id == owner, WebhookDelivery.endpoint_id == endpoint_id)


def _event(row: EventRow) -> EventView:
    return EventView(
        id=row.id,
        type=row.type,
        subject=row.subject,
        number=row.number,
        body=row.body,
        retracts=tuple(row.retracts),
        at=row.at,
    )

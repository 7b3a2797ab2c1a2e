"""Webhooks' door: endpoints, their secrets, what was sent, and sending it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from strongroom.auditlog import service as auditlog
from strongroom.db import events
from strongroom.db.database import UnitOfWork
from strongroom.db.events import Event
from strongroom.db.tables import EventRow
from strongroom.kit.ids import HOUSE
from strongroom.webhooks import repository, rules
from strongroom.webhooks.errors import EndpointLimit, ReplayTooLarge
from strongroom.webhooks.guard import Guard
from strongroom.webhooks.models import WebhookEndpoint
from strongroom.webhooks.types import DeliveryView, EndpointView, EventView, TryView


@dataclass(frozen=True, slots=True)
class Changes:
    """What of an endpoint is to be otherwise; None: as it is."""

    url: str | None = None
    label: str | None = None
    types: tuple[str, ...] | None = None


def add(
    uow: UnitOfWork, guard: Guard, *, url: str, label: str, types: Sequence[str]
) -> EndpointView:
    """A new endpoint; from the organisation's first one on, its events are kept.

    Raises EndpointInvalid, EndpointLimit.
    """
    guard.check_url(url)
    rules.check_types(types)
    owner = _owner(uow)
    uow.execute(
        "INSERT INTO event_listener (organisation_id, since) VALUES (%s, %s)"
        " ON CONFLICT DO NOTHING",
        (owner, uow.now),
    )
    there = uow.session.scalar(
        select(func.count()).where(
            WebhookEndpoint.organisation_id == owner, WebhookEndpoint.state != "removed"
        )
    )
    if (there or 0) >= rules.ENDPOINTS_MAX:
        raise EndpointLimit(
            f"An organisation has at most {rules.ENDPOINTS_MAX} webhooks; remove one first."
        )
    row = WebhookEndpoint(
        organisation_id=owner,
        id=uow.new_id(),
        url=url,
        label=label,
        types=sorted(set(types)),
        state="enabled",
        reason="Added.",
        secret_version=1,
        failures=0,
        attempt=0,
        created_at=uow.now,
        updated_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    _log(uow, "webhooks.added", row)
    return repository.view(uow, row)


def change(uow: UnitOfWork, guard: Guard, endpoint_id: UUID, changes: Changes) -> EndpointView:
    """Another address, label or filter.

    Raises EndpointInvalid, EndpointUnknown, EndpointRemoved.
    """
    row = repository.lock(uow, _owner(uow), endpoint_id)
    if changes.url is not None:
        guard.check_url(changes.url)
        row.url, row.succeeded_at = changes.url, None
        _well(row)
    if changes.types is not None:
        rules.check_types(changes.types)
        row.types = sorted(set(changes.types))
    if changes.label is not None:
        row.label = changes.label
    row.updated_at = uow.now
    uow.session.flush()
    _log(uow, "webhooks.changed", row)
    return repository.view(uow, row)


def rotate(uow: UnitOfWork, endpoint_id: UUID, overlap_hours: int) -> EndpointView:
    """The next secret signs from now on; the one before signs too for so many hours. The one
    before that ends at once. Raises EndpointUnknown, EndpointRemoved.
    """
    row = repository.lock(uow, _owner(uow), endpoint_id)
    row.secret_version += 1
    row.overlap_until = uow.now + timedelta(hours=overlap_hours)
    row.updated_at = uow.now
    uow.session.flush()
    _log(uow, "webhooks.secret_rotated", row)
    return repository.view(uow, row)


def enable(uow: UnitOfWork, endpoint_id: UUID) -> EndpointView:
    """Send again, beginning with what waits. Raises EndpointUnknown, EndpointRemoved."""
    row = repository.lock(uow, _owner(uow), endpoint_id)
    _well(row)
    return _stand(uow, row, "enabled", "Enabled.")


def disable(uow: UnitOfWork, endpoint_id: UUID, why: str) -> EndpointView:
    """Send nothing more; what waits waits on, what happens now is not planned (replay it later).

    Raises EndpointUnknown, EndpointRemoved.
    """
    row = repository.lock(uow, _owner(uow), endpoint_id)
    return _stand(uow, row, "disabled", why)


def remove(uow: UnitOfWork, endpoint_id: UUID) -> EndpointView:
    """End it for good; its log stays. Raises EndpointUnknown, EndpointRemoved."""
    row = repository.lock(uow, _owner(uow), endpoint_id)
    uow.execute(
        "UPDATE webhook_delivery SET state = 'given_up', done_at = %s"
        " WHERE organisation_id = %s AND endpoint_id = %s AND state = 'pending'",
        (uow.now, row.organisation_id, row.id),
    )
    return _stand(uow, row, "removed", "Removed.")


def send_test(uow: UnitOfWork, endpoint_id: UUID) -> None:
    """An event `webhook.test` for this endpoint alone. Raises EndpointUnknown, EndpointRemoved."""
    row = repository.lock(uow, _owner(uow), endpoint_id)
    name = f"webhook:{row.id}"
    body = {"webhook_id": str(row.id), "label": row.label}
    event = Event(row.organisation_id, f"{name}:{uow.new_id()}", "webhook.test", name, body)
    events.announce(uow, [event])


def replay(
    uow: UnitOfWork,
    endpoint_id: UUID,
    *,
    since: datetime,
    until: datetime | None = None,
    event_ids: Sequence[UUID] = (),
) -> int:
    """Send again what happened in [since, until) and the endpoint asks for, delivered before or
    not, under the same ids; only `event_ids` if any are named. Returns how many.

    Raises EndpointUnknown, EndpointRemoved, ReplayTooLarge.
    """
    row = repository.lock(uow, _owner(uow), endpoint_id)
    query = select(EventRow.id).where(
        EventRow.organisation_id == row.organisation_id,
        EventRow.at >= since,
        EventRow.at < (until or uow.now + timedelta(days=1)),
    )
    if event_ids:
        query = query.where(EventRow.id.in_(event_ids))
    found = uow.session.scalars(query.limit(rules.REPLAY_MAX + 1)).all()
    if len(found) > rules.REPLAY_MAX:
        raise ReplayTooLarge(
            f"More than {rules.REPLAY_MAX:,} events happened then; ask for a shorter time, and for "
            "the rest afterwards."
        )
    count = repository.plan(uow, row.organisation_id, found, row.id)
    _log(uow, "webhooks.replayed", row, since=since.isoformat(), events=count)
    return count


def plan(uow: UnitOfWork, event_ids: Sequence[UUID]) -> int:
    """Deliveries of events that just happened, to whoever asks for them. Returns how many."""
    return repository.plan(uow, _owner(uow), event_ids)


def get(uow: UnitOfWork, endpoint_id: UUID) -> EndpointView:
    """One endpoint. Raises EndpointUnknown."""
    return repository.view(uow, repository.find(uow, _owner(uow), endpoint_id))


def endpoints(uow: UnitOfWork) -> list[EndpointView]:
    """The organisation's endpoints, the oldest first."""
    return repository.endpoints(uow, _owner(uow))


def happened(
    uow: UnitOfWork, subject: str | None = None, after: UUID | None = None, limit: int = 50
) -> list[EventView]:
    """Events, the newest first; of one subject if it is named."""
    return repository.events(uow, _owner(uow), subject, after, limit)


def deliveries(
    uow: UnitOfWork, endpoint_id: UUID, after: UUID | None = None, limit: int = 50
) -> list[DeliveryView]:
    """How far each event is with an endpoint, the newest first. Raises EndpointUnknown."""
    row = repository.find(uow, _owner(uow), endpoint_id)
    return repository.deliveries(uow, row.organisation_id, row.id, after, limit)


def tries(
    uow: UnitOfWork, endpoint_id: UUID, after: int | None = None, limit: int = 50
) -> list[TryView]:
    """The delivery log: each POST, the newest first. Raises EndpointUnknown."""
    row = repository.find(uow, _owner(uow), endpoint_id)
    return repository.tries(uow, row.organisation_id, row.id, after, limit)


def _owner(uow: UnitOfWork) -> UUID:
    return uow.organisation_id or HOUSE


def _well(row: WebhookEndpoint) -> None:
    row.failures, row.failing_since, row.rest_until = 0, None, None


def _stand(uow: UnitOfWork, row: WebhookEndpoint, state: str, reason: str) -> EndpointView:
    row.state, row.reason, row.updated_at = state, reason, uow.now
    uow.session.flush()
    _log(uow, f"webhooks.{state}", row, reason=reason)
    return repository.view(uow, row)


def _log(uow: UnitOfWork, action: str, row: WebhookEndpoint, **more: object) -> None:
    body = {"url": row.url, "types": row.types, "secret_version": row.secret_version, **more}
    auditlog.append(uow, action, str(row.id), body, organisation_id=row.organisation_id)

"""What a try means: delivered, again later, given up, the endpoint rests or is switched off."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from strongroom.auditlog import service as auditlog
from strongroom.db import lease
from strongroom.db.database import UnitOfWork
from strongroom.kit.metrics import counter
from strongroom.screening import service as screening
from strongroom.webhooks import repository, rules
from strongroom.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookTry
from strongroom.webhooks.types import Answer


@dataclass(frozen=True, slots=True)
class Claimed:
    """An endpoint in a courier's hands, as it was when it was claimed."""

    organisation_id: UUID
    id: UUID
    url: str
    secret_version: int
    overlap_until: datetime | None
    attempt: int


def record(uow: UnitOfWork, claimed: Claimed, event_id: UUID, answer: Answer) -> bool:
    """Write one try down. False: the endpoint is to be left alone for now, or is another's."""
    owner, table = claimed.organisation_id, "webhook_endpoint"
    if not lease.still_mine(uow, table, claimed.id, claimed.attempt, organisation_id=owner):
        return False
    endpoint = repository.find(uow, owner, claimed.id)
    delivery = uow.session.get(WebhookDelivery, (owner, claimed.id, event_id), with_for_update=True)
    uow.session.add(
        WebhookTry(
            organisation_id=owner,
            endpoint_id=claimed.id,
            event_id=event_id,
            at=uow.now,
            milliseconds=answer.milliseconds,
            status=answer.status,
            outcome=answer.outcome,
        )
    )
    if delivery is None or delivery.state != "pending":
        return endpoint.state == "enabled"
    if answer.delivered:
        delivery.state, delivery.done_at = "delivered", uow.now
        endpoint.failures, endpoint.failing_since, endpoint.succeeded_at = 0, None, uow.now
        return endpoint.state == "enabled"
    _failed(uow, delivery)
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or uow.now
    return _goes_on(uow, endpoint, answer)


def release(uow: UnitOfWork, claimed: Claimed) -> None:
    """Give the endpoint back. `rest_until` becomes now at least: the longest unserved is next."""
    uow.execute(
        "UPDATE webhook_endpoint SET lease_until = NULL, rest_until = greatest(rest_until, %s)"
        " WHERE organisation_id = %s AND id = %s AND attempt = %s",
        (uow.now, claimed.organisation_id, claimed.id, claimed.attempt),
    )


def _failed(uow: UnitOfWork, delivery: WebhookDelivery) -> None:
    delivery.tries += 1
    pause = rules.pause_seconds(delivery.tries)
    if pause is None:
        delivery.state, delivery.done_at = "given_up", uow.now
        counter("strongroom_webhook_given_up_total", "Events not delivered in three days.").inc()
    else:
        delivery.due_at = uow.now + timedelta(seconds=pause)


def _goes_on(uow: UnitOfWork, endpoint: WebhookEndpoint, answer: Answer) -> bool:
    """Whether the next event is tried at once; else the endpoint rests, or is disabled."""
    if answer.status == rules.GONE:
        return _disable(uow, endpoint, "It answered 410: it wants no more.")
    since = endpoint.failing_since or uow.now
    days = rules.DISABLE_AFTER_DAYS
    if uow.now - since >= timedelta(days=days) and endpoint.failures >= rules.DISABLE_FAILURES_MIN:
        return _disable(uow, endpoint, f"No message was taken for {days} days. {answer.outcome}")
    away = answer.status is None or answer.status in rules.OVERLOADED
    if not away and endpoint.failures < rules.IN_A_ROW_MAX:
        return True
    seconds = rules.rest_seconds(endpoint.failures)
    endpoint.rest_until = uow.now + timedelta(seconds=seconds)
    return False


def _disable(uow: UnitOfWork, endpoint: WebhookEndpoint, reason: str) -> bool:
    endpoint.state, endpoint.reason, endpoint.updated_at = "disabled", reason, uow.now
    uow.session.flush()
    screening.open_alert(
        uow,
        organisation_id=endpoint.organisation_id,
        kind="webhook.disabled",
        subject=f"webhook:{endpoint.id}",
        reference=f"{endpoint.id}:{endpoint.attempt}",
        detail={"url": endpoint.url, "label": endpoint.label, "reason": reason},
    )
    body = {"url": endpoint.url, "reason": reason}
    auditlog.append(
        uow,
        "webhooks.disabled",
        str(endpoint.id),
        body,
        organisation_id=endpoint.organisation_id,
    )
    return False

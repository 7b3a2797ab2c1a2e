"""Alerts: opened once for each thing to look at, moved by people, every move kept."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strongroom.auditlog import service as auditlog
from strongroom.db import events
from strongroom.db.database import UnitOfWork
from strongroom.db.events import Event
from strongroom.screening import rules
from strongroom.screening.errors import AlertTransitionInvalid, AlertUnknown
from strongroom.screening.models import Alert, AlertTransition
from strongroom.screening.types import AlertState, AlertView

PAGE_MAX = 500


def open_alert(
    uow: UnitOfWork,
    *,
    organisation_id: UUID,
    kind: str,
    subject: str,
    reference: str,
    detail: Mapping[str, Any],
) -> UUID:
    """Open an alert, once for each (organisation, kind, reference). Returns its id.

    Joins the caller's unit, whose record tells of it. `detail` is JSON for people to read.
    """
    key = {"organisation_id": organisation_id, "kind": kind, "reference": reference}
    made = uow.session.execute(
        insert(Alert)
        .values(
            **key,
            id=uow.new_id(),
            subject=subject,
            detail=dict(detail),
            state="OPEN",
            opened_at=uow.now,
            changed_at=uow.now,
        )
        .on_conflict_do_nothing()
        .returning(Alert.id)
    ).scalar_one_or_none()
    if made is not None:
        told = {"kind": kind, "subject": subject, "state": "OPEN"}
        _tell(uow, organisation_id, made, "opened", f"{made}:opened", told)
        return made
    return uow.session.scalars(select(Alert.id).filter_by(**key)).one()


def alerts(
    uow: UnitOfWork, organisation_id: UUID, after: UUID | None = None, limit: int = 50
) -> list[AlertView]:
    """Alerts of an organisation, oldest first; `after` is the last id of the page before."""
    query = select(Alert).filter_by(organisation_id=organisation_id).order_by(Alert.id)
    if after is not None:
        query = query.where(Alert.id > after)
    rows = uow.session.scalars(query.limit(min(limit, PAGE_MAX)))
    return [_view(row) for row in rows]


def move_alert(
    uow: UnitOfWork,
    alert_id: UUID,
    to_state: AlertState,
    why: str,
    until: datetime | None = None,
) -> AlertView:
    """Move an alert; SNOOZED needs `until`. Raises AlertUnknown, AlertTransitionInvalid."""
    row = uow.session.scalars(
        select(Alert)
        .where(Alert.id == alert_id, Alert.organisation_id == uow.organisation_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise AlertUnknown(f"There is no alert {alert_id} here.")
    _check_move(uow, row, to_state, why, until)
    moved = uow.new_id()
    uow.session.add(
        AlertTransition(
            organisation_id=row.organisation_id,
            id=moved,
            alert_id=row.id,
            from_state=row.state,
            to_state=to_state,
            why=why,
            actor=f"{uow.actor.kind}:{uow.actor.id}",
            at=uow.now,
        )
    )
    body = {"from": row.state, "to": to_state, "why": why}
    row.state, row.snoozed_until, row.changed_at = to_state, until, uow.now
    uow.session.flush()
    auditlog.append(uow, "screening.alert_moved", str(row.id), body)
    told = {"kind": row.kind, "subject": row.subject, "state": to_state}
    _tell(uow, row.organisation_id, row.id, "moved", f"{row.id}:{moved}", told)
    return _view(row)


def close_alert(uow: UnitOfWork, kind: str, reference: str, why: str) -> None:
    """Close the one of this kind and reference, if it is there and not at its end."""
    query = select(Alert).filter_by(
        organisation_id=uow.organisation_id, kind=kind, reference=reference
    )
    row = uow.session.scalars(query).one_or_none()
    if row is not None and "CLOSED" in rules.TRANSITIONS[cast("AlertState", row.state)]:
        move_alert(uow, row.id, "CLOSED", why)


def _check_move(
    uow: UnitOfWork, row: Alert, to_state: AlertState, why: str, until: datetime | None
) -> None:
    allowed = rules.TRANSITIONS[cast("AlertState", row.state)]
    if to_state not in allowed:
        choices = ", ".join(sorted(allowed)) or "nothing: it is at its end"
        raise AlertTransitionInvalid(
            f"The alert is {row.state} and cannot become {to_state}; it can become {choices}."
        )
    if not why.strip():
        raise AlertTransitionInvalid("Moving an alert needs a reason, in words.")
    if (to_state == "SNOOZED") != (until is not None) or (until and until <= uow.now):
        raise AlertTransitionInvalid(
            "A snoozed alert needs a time in the future at which it wakes; others have none."
        )


def _tell(
    uow: UnitOfWork, owner: UUID, alert_id: UUID, what: str, key: str, body: Mapping[str, Any]
) -> None:
    """Webhooks hear that there is something to look at, never what people are to judge."""
    name = f"alert:{alert_id}"
    told = {"alert_id": str(alert_id), **body}
    events.announce(uow, [Event(owner, f"alert:{key}", f"alert.{what}", name, told)])


def _view(row: Alert) -> AlertView:
    return AlertView(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        reference=row.reference,
        detail=row.detail,
        state=cast("AlertState", row.state),
        snoozed_until=row.snoozed_until,
        opened_at=row.opened_at,
        changed_at=row.changed_at,
    )

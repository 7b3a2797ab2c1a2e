"""Tables of webhooks (migration 0022). Events themselves stand in db/tables.py."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Identity, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base


class WebhookEndpoint(Base):
    """Where an organisation's events are sent, and how it has gone lately."""

    __tablename__ = "webhook_endpoint"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    url: Mapped[str]
    label: Mapped[str]
    types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    state: Mapped[str]
    reason: Mapped[str]
    """One sentence: why it is in this state."""
    secret_version: Mapped[int] = mapped_column(Integer)
    overlap_until: Mapped[datetime | None]
    """Until then the secret before this one signs too."""
    failures: Mapped[int] = mapped_column(Integer)
    """Tries without success since the last success."""
    failing_since: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    """The last success at this address; none: it has never answered."""
    rest_until: Mapped[datetime | None]
    """Nothing is sent before; once it is past: when it was served last."""
    lease_until: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookDelivery(Base):
    """One event for one endpoint."""

    __tablename__ = "webhook_delivery"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    tries: Mapped[int] = mapped_column(Integer)
    """Since it was planned or replayed."""
    due_at: Mapped[datetime]
    planned_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class WebhookTry(Base):
    """One POST and what came of it; append-only. Of an answer only its status is kept."""

    __tablename__ = "webhook_try"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    endpoint_id: Mapped[UUID]
    event_id: Mapped[UUID]
    at: Mapped[datetime]
    milliseconds: Mapped[int] = mapped_column(Integer)
    status: Mapped[int | None] = mapped_column(Integer)
    outcome: Mapped[str]

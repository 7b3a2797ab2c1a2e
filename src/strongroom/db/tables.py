"""The tables of outbox, events, idempotency and leaders as SQLAlchemy sees them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON, Integer, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base


class Outbox(Base):
    """A message that leaves a unit of work; a job is one too."""

    __tablename__ = "outbox"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str]
    key: Mapped[str]
    """Unique with organisation and topic."""
    payload: Mapped[dict[str, Any]]
    request_id: Mapped[str]
    due_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    """Until then it is in somebody's hands."""
    attempt: Mapped[int] = mapped_column(Integer)
    last_error: Mapped[str | None]
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class Idempotency(Base):
    """A request's key, the hash of its body, and the answer."""

    __tablename__ = "idempotency"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes]
    status: Mapped[int | None] = mapped_column(Integer)
    answer: Mapped[Any | None] = mapped_column(JSON)
    created_at: Mapped[datetime]


class LeaderEpoch(Base):
    """Who leads, and for the how-manieth time somebody does."""

    __tablename__ = "leader_epoch"

    name: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    holder: Mapped[str]
    since: Mapped[datetime]


class EventListener(Base):
    """An organisation that wants its events told."""

    __tablename__ = "event_listener"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    since: Mapped[datetime]


class EventRow(Base):
    """What happened to a subject; append-only."""

    __tablename__ = "event"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str]
    """Makes it once."""
    type: Mapped[str]
    subject: Mapped[str]
    number: Mapped[int]
    """The subject's how-manieth event, from 1, without a gap."""
    body: Mapped[dict[str, Any]]
    retracts: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    """Ids of earlier events of the subject that did not last."""
    at: Mapped[datetime]

"""Tables of screening; the migration 0009 is the truth."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base


class ScreeningListVersion(Base):
    """One import of one list. Append-only."""

    __tablename__ = "screening_list_version"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Rises over all lists, so that one number says what was known."""
    list_name: Mapped[str]
    source: Mapped[str]
    form: Mapped[str]
    content_hash: Mapped[bytes]
    """SHA-256 of the bytes that were imported."""
    total: Mapped[int] = mapped_column(Integer)
    added: Mapped[int] = mapped_column(Integer)
    removed: Mapped[int] = mapped_column(Integer)
    refused: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """Lines that name no usable address: line, text, why; at most 1,000 are kept."""
    imported_by: Mapped[str]
    imported_at: Mapped[datetime]


class ScreeningEntryChange(Base):
    """An address came onto a list, or left it, with this version. Append-only."""

    __tablename__ = "screening_entry_change"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    address: Mapped[bytes] = mapped_column(primary_key=True)
    list_name: Mapped[str]
    listed: Mapped[bool]
    label: Mapped[str]


class ScreeningRequest(Base):
    """One question about one address, and the latest answer."""

    __tablename__ = "screening_request"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    direction: Mapped[str]
    reference: Mapped[str]
    """What the asking room calls it; unique in the organisation and direction."""
    subject: Mapped[bytes]
    intent: Mapped[bytes | None]
    deposit: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    topic: Mapped[str]
    """Outbox topic told of each answer, with `payload`."""
    payload: Mapped[dict[str, Any]]
    state: Mapped[str]
    revision: Mapped[int] = mapped_column(Integer)
    """Number of the latest answer; 0 before the first."""
    list_version: Mapped[int | None]
    valid_until: Mapped[datetime | None]
    requested_at: Mapped[datetime]
    judged_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    """When the asking room said that the money is final: no more answers after it."""
    request_trace: Mapped[str]
    lease_until: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(Integer)


class ScreeningVerdict(Base):
    """Every answer ever given. Append-only."""

    __tablename__ = "screening_verdict"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, primary_key=True)
    state: Mapped[str]
    list_version: Mapped[int | None]
    reason: Mapped[str]
    document: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The clearance; `signature` is the screener's over its canonical bytes."""
    signature: Mapped[bytes | None]
    judged_at: Mapped[datetime]


class ScreeningAcceptance(Base):
    """Compliance takes money that nobody paid. Append-only; only the screener acts on it."""

    __tablename__ = "screening_acceptance"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    why: Mapped[str]
    accepted_by: Mapped[str]
    at: Mapped[datetime]


class Alert(Base):
    """Something that people must look at."""

    __tablename__ = "alert"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str]
    reference: Mapped[str]
    """Makes the alert once: unique in the organisation and kind."""
    detail: Mapped[dict[str, Any]]
    state: Mapped[str]
    snoozed_until: Mapped[datetime | None]
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class AlertTransition(Base):
    """Each change of an alert's state: who, when, why. Append-only."""

    __tablename__ = "alert_transition"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    alert_id: Mapped[UUID]
    from_state: Mapped[str]
    to_state: Mapped[str]
    why: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]

"""The log's tables as SQLAlchemy sees them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Identity, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base


class LogPending(Base):
    """A record that has no place yet."""

    __tablename__ = "log_pending"

    organisation_id: Mapped[UUID]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    record: Mapped[bytes]
    """JCS of strongroom.record/1."""
    record_hash: Mapped[bytes]
    """SHA-256 of the record."""
    rows: Mapped[bytes | None]
    """The rows that the record commits to, as one JCS array."""


class LogRecord(Base):
    """A record in its place; append-only."""

    __tablename__ = "log_record"

    organisation_id: Mapped[UUID]
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 0, without a gap."""
    organisation_index: Mapped[int]
    """The same within the organisation."""
    record: Mapped[bytes]
    record_hash: Mapped[bytes]
    rows: Mapped[bytes | None]
    sequenced_at: Mapped[datetime]


class LogHead(Base):
    """The tree's size and root: one row, the sequencer's fence."""

    __tablename__ = "log_head"

    single: Mapped[bool] = mapped_column(primary_key=True)
    size: Mapped[int]
    root: Mapped[bytes]
    sequenced_at: Mapped[datetime]


class LogOrganisation(Base):
    """How many records an organisation has."""

    __tablename__ = "log_organisation"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    size: Mapped[int]


class LogTile(Base):
    """Up to 256 hashes of the tree; grows, then never changes."""

    __tablename__ = "log_tile"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hashes: Mapped[bytes]


class LogCheckpoint(Base):
    """A signed head; append-only."""

    __tablename__ = "log_checkpoint"

    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[bytes]
    note: Mapped[str]
    """A C2SP signed note."""
    signed_at: Mapped[datetime]


class LogAsked(Base):
    """The head that the signer was last asked to sign: one row."""

    __tablename__ = "log_asked"

    single: Mapped[bool] = mapped_column(primary_key=True)
    size: Mapped[int]

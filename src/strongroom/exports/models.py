"""The table of exports; the migration 0016 is the truth."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Integer
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base


class Export(Base):
    """A bundle that somebody asked for."""

    __tablename__ = "export"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    request_hash: Mapped[bytes]
    """The log record that asked for it: rows go up to its place."""
    built_hash: Mapped[bytes | None]
    """The export's own log record, which names the manifest's hash."""
    cut: Mapped[int | None]
    """The organisation's index of the record that asked."""
    progress_rows: Mapped[int]
    total_rows: Mapped[int | None]
    waits: Mapped[int] = mapped_column(Integer)
    """How often the job found the log not far enough; bounded."""
    sha256: Mapped[bytes | None]
    size_bytes: Mapped[int | None]
    reason: Mapped[str | None]
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

"""What exports tell other rooms."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

ExportState = Literal["requested", "writing", "awaiting_checkpoint", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class ExportView:
    """An export and how far it is. `sha256` and `size_bytes` are the bundle file's."""

    id: UUID
    organisation_id: UUID
    state: ExportState
    progress_rows: int
    total_rows: int | None
    sha256: bytes | None
    size_bytes: int | None
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    reason: str | None

"""What screening tells other rooms."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Direction = Literal["in", "out"]
ScreeningState = Literal["QUEUED", "CLEAR", "HIT", "ERROR", "UNSUPPORTED", "EXPIRED"]
AlertState = Literal["OPEN", "SNOOZED", "MERGED", "ESCALATED", "CLOSED"]
ListForm = Literal["plain", "ofac_sdn"]


@dataclass(frozen=True, slots=True)
class DepositFacts:
    """The transfer that a clearance of a deposit is for. Native: token None, log_index below 0."""

    chain_id: int
    tx_hash: bytes
    log_index: int
    token: bytes | None
    address: bytes
    units: int


@dataclass(frozen=True, slots=True)
class ScreeningView:
    """A request and its latest answer. `document` and `signature` are there only when CLEAR."""

    request_id: UUID
    state: ScreeningState
    direction: Direction
    subject: bytes
    reference: str
    list_version: int | None
    judged_at: datetime | None
    valid_until: datetime | None
    document: Mapping[str, Any] | None
    signature: bytes | None
    reason: str


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line of a list that names no address we can use; line 0 is the overflow file's."""

    line: int
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class ListVersion:
    """One import of one list. `version` rises over all lists."""

    name: str
    version: int
    source: str
    form: ListForm
    content_hash: bytes
    total: int
    added: int
    removed: int
    refused: tuple[RefusedLine, ...]
    imported_by: str
    imported_at: datetime


@dataclass(frozen=True, slots=True)
class AlertView:
    """Something that people must look at."""

    id: UUID
    kind: str
    subject: str
    reference: str
    detail: Mapping[str, Any]
    state: AlertState
    snoozed_until: datetime | None
    opened_at: datetime
    changed_at: datetime

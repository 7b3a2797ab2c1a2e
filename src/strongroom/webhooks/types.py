"""Values of webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

EndpointState = Literal["enabled", "disabled", "removed"]
DeliveryState = Literal["pending", "delivered", "given_up"]


@dataclass(frozen=True, slots=True)
class EndpointView:
    """Where events are sent. `types`: exact names, "area.*" or "*". `overlap_until`: until then
    the secret before the present one signs too. `failing_since`: no success since then.
    """

    id: UUID
    url: str
    label: str
    types: tuple[str, ...]
    state: EndpointState
    reason: str
    secret_version: int
    overlap_until: datetime | None
    failures: int
    failing_since: datetime | None
    pending: int
    succeeded_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EventView:
    """What happened: `number` counts the subject's events from 1, without a gap."""

    id: UUID
    type: str
    subject: str
    number: int
    body: Mapping[str, Any]
    retracts: tuple[UUID, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """How far one event is with one endpoint. `due_at`: the next try while it is pending."""

    event_id: UUID
    type: str
    subject: str
    number: int
    state: DeliveryState
    tries: int
    due_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class TryView:
    """One try. `status` is HTTP's, None when no answer came; `outcome` says it in words."""

    id: int
    event_id: UUID
    type: str
    at: datetime
    milliseconds: int
    status: int | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one POST."""

    status: int | None
    outcome: str
    milliseconds: int

    @property
    def delivered(self) -> bool:
        """Any 2xx."""
        return self.status is not None and 200 <= self.status < 300

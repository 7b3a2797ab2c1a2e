"""A whole unit of work as a value: what a route whose only effect is one posting hands over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from strongroom.db.actor import Actor
from strongroom.ledger.types import Posting


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message that leaves together with the posting."""

    topic: str
    key: str
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PostingCommand:
    """Posting, idempotency, answer, audit record and outbox rows: all of it or nothing.

    `status` and `answer` are what is stored and given back when it is posted. The audit record's
    subject is the posting's key and its row is the posting.
    """

    posting: Posting
    actor: Actor
    request_id: str
    idempotency_key: str
    body_hash: bytes
    status: int
    answer: Mapping[str, object]
    action: str
    outbox: tuple[OutboxRow, ...] = field(default=())

    @property
    def slot(self) -> tuple[UUID, str]:
        """Where the idempotency key lives."""
        return self.posting.organisation_id, self.idempotency_key

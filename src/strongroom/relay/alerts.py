"""What the relay tells people: a row of the outbox, which a worker makes into an alert."""

from typing import Final
from uuid import UUID

from strongroom.db import outbox
from strongroom.db.database import UnitOfWork

TOPIC: Final = "relay.alert"


def tell(uow: UnitOfWork, owner: UUID, kind: str, subject: str, once: str, sentence: str) -> None:
    """Alert the owner, once for each (kind, subject, once)."""
    key = f"{kind}:{subject}:{once}"
    payload = {
        "kind": f"relay.{kind}",
        "subject": subject,
        "reason": sentence,
        "reference": key,
    }
    outbox.enqueue(uow, TOPIC, key, payload, organisation_id=owner)

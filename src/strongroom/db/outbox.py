"""What leaves a unit of work leaves as its row; a dispatcher sends, the consumer's unit ends it.

PostgreSQL is the truth and the carrier only transport: a row whose lease ran out is sent again, so
a lost message, a wiped broker or a killed worker loses nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from strongroom.db.actor import system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.check import check
from strongroom.kit.crash import crash_point
from strongroom.kit.log import logger
from strongroom.kit.metrics import counter

LEASE_SECONDS: Final = 30.0
BACK_OFF_MAX_SECONDS: Final = 60.0
_ACTOR: Final = system("dispatcher")
_DUE: Final = (
    "WHERE done_at IS NULL AND due_at <= %(now)s"
    " AND (lease_until IS NULL OR lease_until <= %(now)s)"
)


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A row that is due. Messages of the house (HOUSE) are jobs for all organisations."""

    organisation_id: UUID
    id: UUID
    topic: str
    key: str
    payload: Mapping[str, Any]
    request_id: str
    attempt: int


def enqueue(
    uow: UnitOfWork,
    topic: str,
    key: str,
    payload: Mapping[str, object],
    *,
    due_at: datetime | None = None,
    organisation_id: UUID | None = None,
) -> bool:
    """Add a message, once an organisation, topic and key; False when it was there already."""
    owner = organisation_id or uow.organisation_id
    check(owner is not None, "a message of a unit for all organisations names its own")
    added = uow.execute(
        "INSERT INTO outbox (organisation_id, id, topic, key, payload, request_id, due_at,"
        " created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (organisation_id, topic, key) DO NOTHING",
        (
            owner,
            uow.new_id(),
            topic,
            key,
            Jsonb(dict(payload)),
            uow.request_id,
            due_at or uow.now,
            uow.now,
        ),
    ).rowcount
    return added == 1


def take(uow: UnitOfWork, organisation_id: UUID, outbox_id: UUID) -> OutboxMessage | None:
    """Lock a message for handling in this unit; None when it is done or in another's hands."""
    found = uow.execute(
        "SELECT organisation_id, id, topic, key, payload, request_id, attempt FROM outbox"
        " WHERE organisation_id = %s AND id = %s AND done_at IS NULL FOR UPDATE SKIP LOCKED",
        (organisation_id, outbox_id),
    ).fetchone()
    return OutboxMessage(*found) if found else None


def done(uow: UnitOfWork, organisation_id: UUID, outbox_id: UUID) -> None:
    """The message's work is part of this unit: it is not sent again."""
    uow.execute(
        "UPDATE outbox SET done_at = %s, lease_until = NULL, last_error = NULL"
        " WHERE organisation_id = %s AND id = %s",
        (uow.now, organisation_id, outbox_id),
    )


def put_back(uow: UnitOfWork, message: OutboxMessage, reason: str) -> None:
    """The handler failed: due again after a pause that doubles up to a minute."""
    pause = min(BACK_OFF_MAX_SECONDS, 0.5 * 2 ** min(message.attempt, 10))
    uow.execute(
        "UPDATE outbox SET due_at = %s, lease_until = NULL, last_error = %s"
        " WHERE organisation_id = %s AND id = %s AND attempt = %s AND done_at IS NULL",
        (
            uow.now + timedelta(seconds=pause),
            reason[:2_000],
            message.organisation_id,
            message.id,
            message.attempt,
        ),
    )


class Dispatcher:
    """Leases what is due and hands it to the carrier. Any number may run beside each other."""

    def __init__(
        self,
        database: Database,
        publish: Callable[[OutboxMessage], None],
        *,
        lease_seconds: float = LEASE_SECONDS,
        limit: int = 100,
    ) -> None:
        """`publish` may lose a message or send it twice; it must not block for long."""
        self._database = database
        self._publish = publish
        self._lease = timedelta(seconds=lease_seconds)
        self._limit = limit

    def step(self) -> bool:
        """Send what is due; True when there was anything."""
        if not self._database.any(
            f"SELECT FROM outbox {_DUE}", {"now": self._database.clock.now()}
        ):
            return False
        messages = self._claim()
        crash_point("outbox.claimed")
        for message in messages:
            try:
                self._publish(message)
            except Exception:  # noqa: BLE001 - the carrier is away; the lease brings it back
                counter("strongroom_outbox_unsent_total", "Messages the carrier refused.").inc()
                logger(__name__).exception("outbox.unsent", topic=message.topic, key=message.key)
                break
        return bool(messages)

    def _claim(self) -> list[OutboxMessage]:
        with self._database.unit(None, _ACTOR) as uow:
            found = uow.execute(
                f"""
                UPDATE outbox AS o SET lease_until = %(until)s, attempt = o.attempt + 1
                FROM (SELECT organisation_id, id FROM outbox {_DUE}
                      ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
                WHERE (o.organisation_id, o.id) = (due.organisation_id, due.id)
                RETURNING o.organisation_id, o.id, o.topic, o.key, o.payload, o.request_id,
                          o.attempt
                """,  # noqa: S608 - own constant
                {"until": uow.now + self._lease, "now": uow.now, "limit": self._limit},
            ).fetchall()
        return [OutboxMessage(*row) for row in found]

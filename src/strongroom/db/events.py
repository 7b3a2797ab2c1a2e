"""What happened, for programs that want to be told: kept in the unit that made it happen, once.

Any room announces; `webhooks`, high above, sends. Who announces holds the subject's row lock, so
that `number` counts the subject's events without a gap in the order in which they happened.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from strongroom.db import arrays
from strongroom.db.database import UnitOfWork

TOPIC: Final = "webhooks.event"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `key` makes it once an organisation; `type` is stable, such as
    "deposit.seen"; `subject` is what it happened to, such as "deposit:<id>"; `body` is JSON with
    amounts as strings. `takes_back`: types of the subject's events of earlier calls that did not
    last.
    """

    organisation_id: UUID
    key: str
    type: str
    subject: str
    body: Mapping[str, Any]
    takes_back: tuple[str, ...] = ()


def announce(uow: UnitOfWork, events: Sequence[Event]) -> None:
    """Keep these events, in their order, and have them told: two statements at most, whatever
    their number. Nothing is kept for an organisation without a webhook, or under a known key.
    """
    told = listening(uow, events)
    if not told:
        return
    uow.execute(
        _ANNOUNCE,
        {
            "organisations": arrays.uuids(event.organisation_id for event in told),
            "ids": arrays.uuids(uow.new_id() for _ in told),
            "keys": arrays.texts(event.key for event in told),
            "types": arrays.texts(event.type for event in told),
            "subjects": arrays.texts(event.subject for event in told),
            "bodies": arrays.texts(json.dumps(dict(event.body)) for event in told),
            "takes_back": arrays.texts(" ".join(event.takes_back) for event in told),
            "topic": TOPIC,
            "request_id": uow.request_id,
            "now": uow.now,
        },
    )


def listening(uow: UnitOfWork, events: Sequence[Event]) -> list[Event]:
    """Those events whose organisation has a webhook."""
    there = listeners(uow, {event.organisation_id for event in events})
    return [event for event in events if event.organisation_id in there]


def listeners(uow: UnitOfWork, organisations: Collection[UUID]) -> set[UUID]:
    """Those organisations that have a webhook."""
    if not organisations:
        return set()
    found = uow.execute(
        "SELECT organisation_id FROM event_listener WHERE organisation_id = ANY(%s::uuid[])",
        (arrays.uuids(organisations),),
    ).fetchall()
    return {row[0] for row in found}


_ANNOUNCE: Final = """
WITH given AS (
    SELECT * FROM unnest(%(organisations)s::uuid[], %(ids)s::uuid[], %(keys)s::text[],
                         %(types)s::text[], %(subjects)s::text[], %(bodies)s::text[],
                         %(takes_back)s::text[]) WITH ORDINALITY
        AS g(organisation_id, id, key, type, subject, body, takes_back, place)
), added AS (
    INSERT INTO event (organisation_id, id, key, type, subject, number, body, retracts, at)
    SELECT g.organisation_id, g.id, g.key, g.type, g.subject,
        coalesce((SELECT max(e.number) FROM event e
                  WHERE (e.organisation_id, e.subject) = (g.organisation_id, g.subject)), 0)
            + row_number() OVER (PARTITION BY g.organisation_id, g.subject ORDER BY g.place),
        g.body::jsonb,
        ARRAY(SELECT e.id FROM event e
              WHERE (e.organisation_id, e.subject) = (g.organisation_id, g.subject)
                AND e.type = ANY(string_to_array(g.takes_back, ' '))
                AND NOT EXISTS (
                    SELECT FROM event l
                    WHERE (l.organisation_id, l.subject) = (g.organisation_id, g.subject)
                      AND e.id = ANY(l.retracts))
              ORDER BY e.number),
        %(now)s
    FROM given g
    WHERE NOT EXISTS (SELECT FROM event e
                      WHERE (e.organisation_id, e.key) = (g.organisation_id, g.key))
    ON CONFLICT (organisation_id, key) DO NOTHING
    RETURNING organisation_id, id
)
INSERT INTO outbox (organisation_id, id, topic, key, payload, request_id, due_at, created_at)
SELECT organisation_id, min(id::text)::uuid, %(topic)s, min(id::text),
    jsonb_build_object('event_ids', jsonb_agg(id)), %(request_id)s, %(now)s, %(now)s
FROM added GROUP BY organisation_id
"""
"""One message of the outbox an organisation; its numbers and what it takes back are found here."""

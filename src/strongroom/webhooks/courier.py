"""Brings due events to endpoints: claim an endpoint, send what is due in order, record each try.

Two couriers stand beside each other. An endpoint that failed last time, or that never answered yet,
is the slow one's: endpoints that answer never wait behind those that do not. An endpoint is in one
pair of hands; all of the HTTP is outside of any transaction.
"""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal

from strongroom.db import lease
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit.crash import crash_point
from strongroom.kit.log import logger
from strongroom.kit.metrics import counter
from strongroom.webhooks import recording, repository, rules
from strongroom.webhooks.recording import Claimed
from strongroom.webhooks.rules import Secrets
from strongroom.webhooks.sender import Sender
from strongroom.webhooks.types import Answer, EventView

Lane = Literal["sound", "ailing"]
LANES: Final[Mapping[Lane, str]] = {
    "sound": "failures = 0 AND succeeded_at IS NOT NULL",
    "ailing": "(failures > 0 OR succeeded_at IS NULL)",
}
_DUE: Final = (
    "state = 'enabled' AND (rest_until IS NULL OR rest_until <= %(lease_now)s) AND EXISTS"
    " (SELECT FROM webhook_delivery d WHERE d.organisation_id = webhook_endpoint.organisation_id"
    " AND d.endpoint_id = webhook_endpoint.id AND d.state = 'pending'"
    " AND d.due_at <= %(lease_now)s)"
)
BATCH_MAX: Final = 20
BATCH_SECONDS: Final = 20.0
"""No other event is begun after it, so that the lease outlasts the last one's time-out."""
LEASE_SECONDS: Final = 90.0
PAUSE_SECONDS: Final = 0.2
_ACTOR: Final = system("webhooks")


class Courier:
    """One lane. Any number of processes may have one."""

    def __init__(
        self, database: Database, sender: Sender, secrets: Secrets, *, lane: Lane, slots: int
    ) -> None:
        """`database` connects as strongroom_worker; `slots` endpoints are served at once."""
        self._database = database
        self._sender = sender
        self._secrets = secrets
        self._lane: Lane = lane
        self._slots = slots
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix=f"webhooks {lane}")
        self._free = threading.Semaphore(slots)
        self._ending = threading.Event()

    def step(self) -> bool:
        """Claim endpoints for the free slots and begin with them; True when there were any."""
        free = 0
        while free < self._slots and self._free.acquire(blocking=False):
            free += 1
        claimed = []
        try:
            if free:
                claimed = self._claim(free)
        finally:
            if free > len(claimed):
                self._free.release(free - len(claimed))
        for row in claimed:
            self._pool.submit(self._serve, row)
        return bool(claimed)

    def stop(self) -> None:
        """Begin with no other event; what is left of a batch stays due."""
        self._ending.set()

    def close(self) -> None:
        """Wait for what was begun."""
        self._pool.shutdown(wait=True, cancel_futures=False)

    def _claim(self, limit: int) -> list[Claimed]:
        with self._database.unit(None, _ACTOR) as uow:
            rows = lease.claim(
                uow,
                "webhook_endpoint",
                f"{_DUE} AND {LANES[self._lane]}",
                LEASE_SECONDS,
                limit,
                order="rest_until NULLS FIRST, id",
            )
        return [_claimed(row) for row in rows]

    def _serve(self, endpoint: Claimed) -> None:
        try:
            self._send_due(endpoint)
            with self._database.unit(endpoint.organisation_id, _ACTOR) as uow:
                recording.release(uow, endpoint)
        except Exception:  # noqa: BLE001 - the lease brings the endpoint back
            logger(__name__).exception("webhooks.unserved", endpoint=str(endpoint.id))
        finally:
            self._free.release()

    def _send_due(self, endpoint: Claimed) -> None:
        owner = endpoint.organisation_id
        with self._database.read(owner, _ACTOR) as uow:
            events = repository.due(uow, owner, endpoint.id, BATCH_MAX)
        started = time.monotonic()
        for event in events:
            answer = self._send(endpoint, event)
            crash_point("webhooks.sent")
            with self._database.unit(owner, _ACTOR) as uow:
                going_on = recording.record(uow, endpoint, event.id, answer)
            _count(answer)
            late = time.monotonic() - started > BATCH_SECONDS
            if not going_on or late or self._ending.is_set():
                return

    def _send(self, endpoint: Claimed, event: EventView) -> Answer:
        now = self._database.clock.now()
        versions = [endpoint.secret_version]
        if endpoint.overlap_until is not None and now < endpoint.overlap_until:
            versions.append(endpoint.secret_version - 1)
        secrets = [self._secrets.secret(endpoint.id, version) for version in versions]
        body = rules.payload(event)
        headers = rules.headers(event.id, int(now.timestamp()), body, secrets)
        named = {"Content-Type": "application/json", "User-Agent": "Strongroom-Webhooks/1"}
        return self._sender.post(endpoint.url, {**named, **headers}, body)


def _claimed(row: Mapping[str, Any]) -> Claimed:
    return Claimed(
        organisation_id=row["organisation_id"],
        id=row["id"],
        url=row["url"],
        secret_version=row["secret_version"],
        overlap_until=row["overlap_until"],
        attempt=row["attempt"],
    )


def _count(answer: Answer) -> None:
    result = "delivered" if answer.delivered else "failed"
    tried = counter("strongroom_webhook_tries_total", "POSTs to webhooks.", ("result",))
    tried.labels(result).inc()

"""The Celery application: one task, which delivers one message of the outbox.

The handler's work and the row's end are one unit of work. Whoever dies before its commit leaves the
row as it was, and it is sent again when its lease has run out.
"""

import warnings
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from celery import Celery

from strongroom.bootstrap.carrier import QUEUE, TASK, carrier
from strongroom.bootstrap.worker import CONCURRENCY, Services
from strongroom.db import outbox
from strongroom.db.actor import system
from strongroom.db.database import UnitOfWork
from strongroom.db.outbox import OutboxMessage
from strongroom.kit.crash import crash_point
from strongroom.kit.errors import StrongroomError
from strongroom.kit.ids import HOUSE
from strongroom.kit.log import bind_request_id, logger
from strongroom.kit.metrics import counter
from strongroom.workers.jobs import Handler, handlers

_ACTOR: Final = system("worker")


class TopicUnknown(StrongroomError):
    """No domain of this release handles the topic."""

    code = "worker.topic_unknown"


class Delivery:
    """Delivers messages; what it needs is handed in."""

    def __init__(self, services: Services, topics: Mapping[str, Handler]) -> None:
        """`topics` maps a topic to its handler."""
        self._services = services
        self._topics = topics

    def deliver(self, organisation_id: UUID, outbox_id: UUID) -> None:
        """Handle one message, at most once to its end. A failure puts it back with a pause."""
        owner = None if organisation_id == HOUSE else organisation_id
        taken: OutboxMessage | None = None
        try:
            with self._services.database.unit(owner, _ACTOR) as uow:
                taken = outbox.take(uow, organisation_id, outbox_id)
                if taken is None:
                    return
                self._handle(uow, taken)
                outbox.done(uow, organisation_id, outbox_id)
                crash_point("worker.handled")
        except Exception as error:
            if taken is None:
                raise
            self._put_back(owner, taken, error)

    def _handle(self, uow: UnitOfWork, message: OutboxMessage) -> None:
        uow.request_id = message.request_id
        handler = self._topics.get(message.topic)
        if handler is None:
            raise TopicUnknown(f"Nothing here handles {message.topic}; is this release complete?")
        with bind_request_id(message.request_id):
            handler(uow, message.payload, self._services)

    def _put_back(self, owner: UUID | None, message: OutboxMessage, error: Exception) -> None:
        counter("strongroom_deliveries_failed_total", "Messages put back.", ("topic",)).labels(
            message.topic
        ).inc()
        with bind_request_id(message.request_id):
            logger(__name__).warning(
                "delivery.put_back",
                topic=message.topic,
                key=message.key,
                attempt=message.attempt,
                exc_info=error,
            )
        with self._services.database.unit(owner, _ACTOR) as uow:
            outbox.put_back(uow, message, f"{type(error).__name__}: {error}")


def make_app(services: Services, topics: Mapping[str, Handler] | None = None) -> Celery:
    """The application with its one task."""
    app = carrier(services.config.redis_url)
    delivery = Delivery(services, handlers() if topics is None else topics)

    def deliver(organisation_id: str, outbox_id: str) -> None:
        delivery.deliver(UUID(organisation_id), UUID(outbox_id))

    app.task(name=TASK)(deliver)
    return app


def serve(app: Celery) -> int:
    """Work until SIGTERM or SIGINT, then finish what was begun; gives the exit code."""
    with warnings.catch_warnings():
        # Celery warns of root; containers and a developer's machine may run us so, and the task
        # serializer is JSON, which can't carry code.
        warnings.filterwarnings("ignore", message=".*superuser privileges.*")
        worker: Any = app.Worker(
            pool="threads",
            concurrency=CONCURRENCY,
            queues=[QUEUE],
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            loglevel="INFO",
            optimization="fair",
            quiet=True,
        )
        worker.start()
    return int(worker.exitcode or 0)

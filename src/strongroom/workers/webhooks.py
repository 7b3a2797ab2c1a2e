"""Jobs of webhooks: what just happened is planned for the endpoints that ask for it.

The sending itself is no job: the couriers' threads do it, so that a slow receiver holds up no job.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from strongroom.bootstrap.worker import Services
from strongroom.db.database import UnitOfWork
from strongroom.db.events import TOPIC
from strongroom.webhooks import service as webhooks
from strongroom.workers.jobs import Handler


def plan(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """Events of one unit of work."""
    del services
    webhooks.plan(uow, [UUID(text) for text in payload["event_ids"]])


HANDLERS: dict[str, Handler] = {TOPIC: plan}

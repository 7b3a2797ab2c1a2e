import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import pytest

from strongroom.bootstrap.worker import Services
from strongroom.config import Config
from strongroom.db import events
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.db.events import Event
from strongroom.db.outbox import Dispatcher, OutboxMessage
from strongroom.kit.clock import FixedClock
from strongroom.webhooks import service as webhooks
from strongroom.webhooks.courier import LANES, Courier, Lane
from strongroom.webhooks.guard import Guard
from strongroom.webhooks.rules import Secrets
from strongroom.webhooks.sender import Sender
from strongroom.webhooks.types import EndpointView
from strongroom.workers.app import Delivery
from strongroom.workers.jobs import handlers
from tests.factories.books import connect, make_organisation
from tests.factories.receiver import Receiver, receiving

__all__ = ["connect"]
GUARD = Guard([ipaddress.ip_network("127.0.0.0/8")])
SECRETS = Secrets(b"k" * 32)
TESTER = system("test")


@dataclass
class Post:
    """An organisation, the real worker's job and the real couriers, at a clock that stands."""

    organisation: UUID
    clock: FixedClock
    api: Database
    worker: Database
    relay: Database
    timeout_seconds: float = 2.0
    _couriers: dict[str, Courier] = field(default_factory=dict)

    def endpoint(self, url: str, *types: str) -> EndpointView:
        with self.api.unit(self.organisation, TESTER) as uow:
            return webhooks.add(uow, GUARD, url=url, label="ours", types=types or ("*",))

    def see(self, endpoint: EndpointView) -> EndpointView:
        with self.api.read(self.organisation, TESTER) as uow:
            return webhooks.get(uow, endpoint.id)

    def happen(self, *kinds: str, subject: str = "deposit:1", takes_back=()) -> None:
        with self.worker.unit(self.organisation, TESTER) as uow:
            told = [
                Event(
                    self.organisation, f"{uow.new_id()}", kind, subject, {"units": "7"}, takes_back
                )
                for kind in kinds
            ]
            events.announce(uow, told)

    def plan(self) -> None:
        """The outbox's messages reach the worker, as Celery would bring them."""
        sent: list[OutboxMessage] = []
        Dispatcher(self.relay, sent.append).step()
        services = Services(Config.from_environment({}), self.worker, self.clock)
        delivery = Delivery(services, handlers())
        for message in sent:
            delivery.deliver(message.organisation_id, message.id)

    def courier(self, lane: Lane, slots: int = 4) -> Courier:
        if lane not in self._couriers:
            sender = Sender(GUARD, timeout_seconds=self.timeout_seconds)
            self._couriers[lane] = Courier(self.worker, sender, SECRETS, lane=lane, slots=slots)
        return self._couriers[lane]

    def send(self, lane: Lane | None = None) -> int:
        """One round of a lane or of both, waited for; how many endpoints were served."""
        rounds = 0
        for name in (lane,) if lane else LANES:
            rounds += self.courier(name).step()
            self.close(name)
        return rounds

    def close(self, lane: str) -> None:
        if lane in self._couriers:
            self._couriers.pop(lane).close()

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def states(self, endpoint: EndpointView) -> list[tuple[str, str, int]]:
        with self.api.read(self.organisation, TESTER) as uow:
            found = webhooks.deliveries(uow, endpoint.id)
        ordered = sorted(found, key=lambda one: (one.subject, one.number))
        return [(one.type, one.state, one.tries) for one in ordered]

    def log(self, endpoint: EndpointView) -> list[tuple[int | None, str]]:
        with self.api.read(self.organisation, TESTER) as uow:
            found = webhooks.tries(uow, endpoint.id)
        return [(one.status, one.outcome) for one in reversed(found)]


@pytest.fixture
def post(connect) -> Iterator[Post]:
    clock = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
    made = Post(
        make_organisation(connect.found),
        clock,
        connect("strongroom_api", clock=clock),
        connect("strongroom_worker", clock=clock),
        connect("strongroom_relay", clock=clock),
    )
    yield made
    for lane in ("sound", "ailing"):
        made.close(lane)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found

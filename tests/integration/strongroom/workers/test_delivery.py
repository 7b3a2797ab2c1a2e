"""WRITES.md 11: PostgreSQL is the truth. A wiped broker and a killed worker lose no job."""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from strongroom.bootstrap.carrier import publisher
from strongroom.bootstrap.worker import Services
from strongroom.config import Config
from strongroom.db import outbox
from strongroom.db.outbox import Dispatcher, OutboxMessage
from strongroom.kit.clock import FixedClock, SystemClock
from strongroom.kit.ids import HOUSE
from strongroom.workers.app import Delivery
from strongroom.workers.beat import Beat
from strongroom.workers.jobs import Job, handlers, jobs
from tests.factories.books import ACTOR, make_organisation
from tests.factories.parts.place import REPOSITORY

WORKER = """
import sys, time
from types import SimpleNamespace
from strongroom.bootstrap.worker import Services
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock
from strongroom.workers.app import make_app, serve

def record(uow, payload, services):
    uow.execute("INSERT INTO idempotency (organisation_id, key, body_hash, created_at)"
                " VALUES (%s, %s, sha256(''), now())", (uow.organisation_id, payload["key"]))
    print("handling", flush=True)
    time.sleep(float(payload["sleep"]))

database = Database(sys.argv[1], clock=SystemClock(), application_name="worker")
config = SimpleNamespace(redis_url=sys.argv[2])
sys.exit(serve(make_app(Services(config, database, SystemClock()), {"tests.record": record})))
"""


@pytest.fixture
def organisation(connect) -> UUID:
    # The worker has no right on this table in production; the test's handler writes there.
    with psycopg.connect(connect.found.conninfo(), autocommit=True) as superuser:
        superuser.execute("GRANT SELECT, INSERT ON idempotency TO strongroom_worker")
    return make_organisation(connect.found)


@pytest.fixture
def worker(connect, valkey):
    started = []

    def start() -> subprocess.Popen:
        environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}/src"}
        command = [sys.executable, "-c", WORKER, connect.found.url("strongroom_worker"), valkey]
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _enqueue(connect, organisation: UUID, count: int, sleep: float = 0) -> None:
    with connect(pool_size=1).unit(organisation, ACTOR) as uow:
        for n in range(count):
            payload = {"key": f"{n}", "sleep": str(sleep)}
            outbox.enqueue(uow, "tests.record", f"{n}", payload)


def _dispatch_until_done(connect, dispatcher: Dispatcher, organisation: UUID, count: int) -> None:
    end = time.monotonic() + 40
    while time.monotonic() < end:
        dispatcher.step()
        with connect.opened[0].read(organisation, ACTOR) as uow:
            done = uow.execute("SELECT count(*) FROM outbox WHERE done_at IS NOT NULL").fetchone()[
                0
            ]
            handled = uow.execute("SELECT count(*) FROM idempotency").fetchone()[0]
        if done == count:
            assert handled == count
            return
        time.sleep(0.1)
    pytest.fail("the messages were not handled in 40 seconds")


def _wipe(url: str) -> None:
    port = int(url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(64).startswith(b"+OK")


def test_a_wiped_broker_loses_no_job(connect, organisation, worker, valkey):
    _enqueue(connect, organisation, 5)
    dispatcher = Dispatcher(
        connect("strongroom_relay", pool_size=1), publisher(valkey), lease_seconds=1
    )
    assert dispatcher.step()
    _wipe(valkey)
    worker()
    _dispatch_until_done(connect, dispatcher, organisation, 5)


def test_a_worker_killed_in_its_work_is_followed_by_another_after_the_lease(
    connect, organisation, worker, valkey
):
    _enqueue(connect, organisation, 1, sleep=2)
    dispatcher = Dispatcher(
        connect("strongroom_relay", pool_size=1), publisher(valkey), lease_seconds=1
    )
    first = worker()
    dispatcher.step()
    assert first.stdout.readline() == "handling\n"
    first.send_signal(signal.SIGKILL)
    first.wait()
    with connect.opened[0].read(organisation, ACTOR) as uow:
        assert uow.execute("SELECT count(*) FROM idempotency").fetchone() == (0,)
    worker()
    _dispatch_until_done(connect, dispatcher, organisation, 1)


def _delivery(connect, topics, clock=None) -> Delivery:
    database = connect("strongroom_worker", clock=clock)
    services = Services(Config.from_environment({}), database, clock or SystemClock())
    return Delivery(services, topics)


def _send(connect, clock, delivery: Delivery) -> int:
    sent: list[OutboxMessage] = []
    Dispatcher(connect("strongroom_relay", clock=clock), sent.append).step()
    for message in sent:
        delivery.deliver(message.organisation_id, message.id)
    return len(sent)


def test_a_handler_that_fails_leaves_nothing_and_is_tried_again_later(connect, organisation):
    clock = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
    tried: list[object] = []

    def handler(uow, payload, _services) -> None:
        outbox.enqueue(
            uow, "tests.trace", f"{len(tried)}", {}, due_at=datetime.max.replace(tzinfo=UTC)
        )
        tried.append(payload)
        if len(tried) < 3:
            raise ConnectionError

    delivery = _delivery(connect, {"tests.fails": handler}, clock)
    with connect(clock=clock).unit(organisation, ACTOR) as uow:
        outbox.enqueue(uow, "tests.fails", "k", {})
    for wanted, pause in ((1, 0.5), (2, 1), (3, 100)):
        assert _send(connect, clock, delivery) == 1
        assert len(tried) == wanted
        assert _send(connect, clock, delivery) == 0
        clock.advance(pause * 2 + 0.01)
    assert _send(connect, clock, delivery) == 0
    with connect().read(organisation, ACTOR) as uow:
        assert uow.execute("SELECT key FROM outbox WHERE topic = 'tests.trace'").fetchall() == [
            ("2",)
        ]


def test_a_message_twice_is_handled_once(connect, organisation):
    handled = []
    delivery = _delivery(connect, {"tests.once": lambda *_: handled.append(1)})
    with connect().unit(organisation, ACTOR) as uow:
        outbox.enqueue(uow, "tests.once", "k", {})
        (id_,) = uow.execute("SELECT id FROM outbox").fetchone()
    for _ in range(3):
        delivery.deliver(organisation, id_)
    assert handled == [1]


def test_a_message_works_in_its_own_organisation_and_under_its_request(connect, organisation):
    seen = []

    def handler(uow, _payload, _services) -> None:
        seen.append((uow.organisation_id, uow.request_id))

    delivery = _delivery(connect, {"tests.who": handler})
    with connect("strongroom_worker").unit(None, ACTOR, request_id="r-9") as uow:
        for owner in (organisation, HOUSE):
            outbox.enqueue(uow, "tests.who", "k", {}, organisation_id=owner)
        found = uow.execute("SELECT organisation_id, id FROM outbox").fetchall()
    for owner, id_ in found:
        delivery.deliver(owner, id_)
    assert set(seen) == {(organisation, "r-9"), (None, "r-9")}


def test_two_beats_make_one_job_a_due_time(connect):
    clock = FixedClock(datetime(2026, 5, 1, 12, 0, 7, tzinfo=UTC))
    job = Job("tests.job", every_seconds=10)
    beats = [Beat(connect("strongroom_worker", clock=clock), [job]) for _ in range(2)]
    for _ in range(3):
        for beat in beats:
            beat.step()
            beat.step()
        clock.advance(10)
    with connect("strongroom_worker").read(None, ACTOR) as uow:
        found = uow.execute("SELECT due_at FROM outbox ORDER BY due_at").fetchall()
    assert [due.second for (due,) in found] == [0, 10, 20]


def test_every_job_has_a_handler():
    assert handlers().keys() >= {job.topic for job in jobs()}

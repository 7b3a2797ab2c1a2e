"""P10 and P4 for the books: die by kill -9 at each named point, come back, send the same again."""

import os
import signal
import subprocess
import sys
import time

import pytest

from strongroom.cli.dev.program import running
from strongroom.db import idempotency
from strongroom.db.errors import DatabaseUnavailable
from strongroom.db.migrate import migrate
from strongroom.ledger.writer import PostingWriter
from tests.factories.books import ACTOR, Books, Connections, make_books
from tests.factories.parts.place import REPOSITORY
from tests.factories.parts.postgres import TestDatabase

PROGRAM = """
import sys
from uuid import UUID
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock
from strongroom.ledger.writer import PostingWriter
from tests.factories.books import Books

url, organisation, way, count = sys.argv[1], UUID(sys.argv[2]), sys.argv[3], int(sys.argv[4])
database = Database(url, clock=SystemClock(), application_name="child")
books = Books(database, organisation, None)
if way == "unit":
    for n in range(count):
        books.post(books.posting(f"transfer:{n}", ("client:a", "client:b", 1)))
else:
    writer = PostingWriter(database)
    writer.start()
    commands = [books.command(f"{n}", ("client:a", "client:b", 1)) for n in range(count)]
    for future in [writer.submit(command) for command in commands]:
        future.result(30)
    writer.stop()
print("done", flush=True)
"""


def run_child(url: str, books: Books, way: str, count: int, crash_at: str = "") -> int:
    """Post in a process of its own; gives its exit code, -9 when it was killed."""
    environment = os.environ | {
        "STRONGROOM_CRASH_AT": crash_at,
        "PYTHONPATH": f"{REPOSITORY}/src:{REPOSITORY}",
    }
    command = [sys.executable, "-c", PROGRAM, url, str(books.organisation), way, str(count)]
    return subprocess.run(command, env=environment, timeout=60, check=False).returncode


@pytest.mark.parametrize(
    ("way", "point"),
    [
        ("unit", "commit.before:3"),
        ("unit", "commit.after:3"),
        ("writer", "writer.written:1"),
        ("writer", "commit.before:1"),
        ("writer", "commit.after:1"),
        ("writer", "writer.committed:1"),
    ],
)
def test_killed_around_a_commit_the_same_requests_converge(books, way, point):
    count = 8 if way == "unit" else 300
    books.fund("client:a", count)
    url = books.connect.found.url("strongroom_api")
    assert run_child(url, books, way, count, crash_at=point) == -signal.SIGKILL
    half = books.balance("client:b").posted
    assert half < count
    books.assert_sound()
    assert run_child(url, books, way, count) == 0
    assert books.balance("client:b").posted == count
    books.assert_sound()


@pytest.fixture
def killable(durable_postgres):
    """A migrated server of the test's own: (its database, start, kill)."""
    found = TestDatabase(durable_postgres, "strongroom")
    with running(durable_postgres.program()):
        migrate(durable_postgres.url(database="strongroom"))
    return found, lambda: running(durable_postgres.program())


def _postmaster(found: TestDatabase) -> int:
    pid_file = found.server.folder / "postmaster.pid"
    return int(pid_file.read_text().splitlines()[0])


def test_postgres_killed_in_the_middle_leaves_no_half_state(killable):
    """The writer is in full flow, PostgreSQL is killed and comes back: nothing lost or doubled."""
    found, start = killable
    count, answered = 1_200, []
    with start():
        connections = Connections(found)
        books = make_books(connections)
        books.fund("client:a", count)
        writer = PostingWriter(books.database)
        writer.start()
        commands = [books.command(f"{n}", ("client:a", "client:b", 1)) for n in range(count)]
        futures = [writer.submit(command) for command in commands]
        while sum(future.done() for future in futures) < 300:
            time.sleep(0.005)
        os.kill(_postmaster(found), signal.SIGKILL)
        answered = [n for n, future in enumerate(futures) if _answered(future)]
        writer.stop()
        connections.close()
    assert 300 <= len(answered) < count
    with start():
        connections = Connections(found)
        worker = connections("strongroom_worker")
        books = Books(connections(), books.organisation, connections, worker=worker)
        posted = books.balance("client:b").posted
        # All that was answered is there; what was not may be, and asking again tells.
        assert posted >= len(answered)
        books.assert_sound()
        with books.database.read(books.organisation, ACTOR) as uow:
            for n in answered:
                assert idempotency.stored(uow, f"{n}", commands[n].body_hash) is not None
        writer = PostingWriter(books.database)
        writer.start()
        for future in [writer.submit(command) for command in commands]:
            assert future.result(30).status == 201
        writer.stop()
        assert books.balance("client:b").posted == count
        books.assert_sound()
        connections.close()


def test_after_postgres_came_back_the_same_process_goes_on(killable):
    found, start = killable
    with start():
        connections = Connections(found)
        books = make_books(connections)
        books.fund("client:a", 10)
        os.kill(_postmaster(found), signal.SIGKILL)
    with pytest.raises(DatabaseUnavailable):
        books.fund("client:a", 10)
    with start():
        for _ in range(3):
            try:
                books.fund("client:a", 10, key="again")
            except DatabaseUnavailable:
                continue
            break
        assert books.balance("client:a").posted == 20
        books.assert_sound()
        connections.close()


def _answered(future) -> bool:
    try:
        return bool(future.result(60).status == 201)
    except DatabaseUnavailable:
        return False

"""Units of work, retries, idempotency, leases and leaders on real PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from strongroom.db import idempotency, lease, outbox, retry
from strongroom.db.errors import (
    DatabaseUnavailable,
    IdempotencyConflict,
    LockTimeout,
    NotLeader,
    TransactionConflict,
)
from strongroom.db.leader import Leader
from strongroom.db.outbox import Dispatcher, OutboxMessage
from strongroom.kit.clock import FixedClock
from strongroom.kit.errors import Impossible
from tests.factories.books import ACTOR, make_organisation


def test_an_error_undoes_the_whole_unit(books):
    def work(uow) -> None:
        outbox.enqueue(uow, "webhooks.send", "k", {})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retry.run(books.database, books.organisation, ACTOR, work)
    with books.database.read(books.organisation, ACTOR) as uow:
        assert uow.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


def test_a_reading_unit_can_not_write(books):
    with (
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        books.database.read(books.organisation, ACTOR) as uow,
    ):
        outbox.enqueue(uow, "webhooks.send", "k", {})


def _cut(connect, uow) -> None:
    (process,) = uow.execute("SELECT pg_backend_pid()").fetchone()
    with psycopg.connect(connect.found.conninfo(), autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", (process,))


def test_a_reading_that_has_its_answer_outlives_the_database(connect, books):
    with books.database.read(books.organisation, ACTOR) as uow:
        _cut(connect, uow)
    with books.database.read(books.organisation, ACTOR) as uow:
        assert uow.execute("SELECT 1").fetchone() == (1,)


def test_what_was_refused_stays_refused_when_the_database_falls(connect, books):
    def refused(uow) -> None:
        _cut(connect, uow)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retry.run(books.database, books.organisation, ACTOR, refused)


def test_a_deadlock_is_retried_and_both_units_get_through(books):
    with books.database.unit(books.organisation, ACTOR) as uow:
        for key in ("a", "b"):
            idempotency.begin(uow, key, b"x" * 32)
            idempotency.finish(uow, key, 200, "{}")
    barrier, runs = threading.Barrier(2), []

    def cross(order: str) -> int:
        def work(uow) -> int:
            runs.append(order)
            for number, key in enumerate(order):
                if number and len(runs) <= 2:
                    barrier.wait(5)
                uow.execute("UPDATE idempotency SET status = 201 WHERE key = %s", (key,))
            return 1

        return retry.run(books.database, books.organisation, ACTOR, work)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(cross, ["ab", "ba"])) == [1, 1]
    assert 3 <= len(runs) <= 5


def test_retries_end(books):
    runs = []

    def work(_) -> None:
        runs.append(1)
        raise psycopg.errors.SerializationFailure

    with pytest.raises(TransactionConflict):
        retry.run(books.database, books.organisation, ACTOR, work)
    assert len(runs) == 4


def test_a_lock_that_is_held_too_long_is_said(books):
    with books.database.unit(books.organisation, ACTOR) as uow:
        idempotency.begin(uow, "k", b"x" * 32)

        def work(other) -> None:
            other.execute("SET LOCAL lock_timeout = '50ms'")
            idempotency.begin(other, "k", b"x" * 32)

        with pytest.raises(LockTimeout):
            retry.run(books.database, books.organisation, ACTOR, work)


def test_a_database_that_is_away_is_said(connect):
    database = connect()
    database.engine.dispose()
    away = type(database)(
        "postgresql+psycopg://strongroom_api@/strongroom?host=/nonexistent",
        clock=database.clock,
        application_name="t",
    )
    with pytest.raises(DatabaseUnavailable):
        away.ping()
    with pytest.raises(DatabaseUnavailable):
        away.any("SELECT FROM outbox")


def test_what_serves_all_inherits_no_organisation(connect):
    """Nothing is set for it, and what was set before ended with its transaction."""
    organisation = make_organisation(connect.found)
    database = connect(pool_size=1)
    with database.unit(organisation, ACTOR) as uow:
        outbox.enqueue(uow, "webhooks.send", "k", {})
    for unit in (database.unit, database.read):
        with unit(None, ACTOR) as uow:
            assert uow.execute("SELECT current_organisation()").fetchone() == (None,)
            assert uow.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    assert not database.any("SELECT FROM outbox")
    relay = connect("strongroom_relay", pool_size=1)
    assert relay.any("SELECT FROM outbox WHERE key = %(key)s", {"key": "k"})
    assert not relay.any("SELECT FROM outbox WHERE key = %(key)s", {"key": "another"})
    with relay.unit(None, ACTOR) as uow:
        assert uow.execute("SELECT count(*) FROM outbox").fetchone() == (1,)


def test_idempotency_gives_the_first_answer_byte_for_byte(books):
    body = '{"b": 1,  "a": "ü"}'
    with books.database.unit(books.organisation, ACTOR) as uow:
        assert idempotency.begin(uow, "k", b"x" * 32) is None
        idempotency.finish(uow, "k", 201, body)
    with books.database.unit(books.organisation, ACTOR) as uow:
        found = idempotency.begin(uow, "k", b"x" * 32)
        assert found == idempotency.StoredAnswer(201, body)
        with pytest.raises(IdempotencyConflict):
            idempotency.begin(uow, "k", b"y" * 32)
        with pytest.raises(Impossible):
            idempotency.finish(uow, "k", 500, "{}")


def test_an_idempotency_key_is_never_taken_back_later(books):
    with books.database.unit(books.organisation, ACTOR) as uow:
        idempotency.begin(uow, "k", b"x" * 32)
        idempotency.finish(uow, "k", 201, "{}")
    with books.database.unit(books.organisation, ACTOR) as uow:
        assert uow.execute("DELETE FROM idempotency").rowcount == 0


def test_a_lease_fences_the_one_who_was_too_slow(connect):
    clock = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
    organisation = make_organisation(connect.found)
    worker = connect("strongroom_worker", clock=clock)
    with worker.unit(organisation, ACTOR) as uow:
        outbox.enqueue(uow, "webhooks.send", "k", {})

    def claim() -> list:
        with worker.unit(None, ACTOR) as uow:
            return lease.claim(
                uow, "outbox", "topic = %(topic)s", 30, 5, parameters={"topic": "webhooks.send"}
            )

    (first,) = claim()
    assert claim() == []
    clock.advance(31)
    (second,) = claim()
    assert (first["attempt"], second["attempt"]) == (1, 2)
    with worker.unit(organisation, ACTOR) as uow:
        assert not lease.still_mine(uow, "outbox", first["id"], first["attempt"])
        assert lease.still_mine(uow, "outbox", second["id"], second["attempt"])
        lease.release(uow, "outbox", second["id"], second["attempt"])
    assert len(claim()) == 1


def test_what_is_due_is_sent_once_a_lease_until_it_is_done(connect):
    clock = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
    organisation = make_organisation(connect.found)
    worker = connect("strongroom_worker", clock=clock)
    sent: list[OutboxMessage] = []
    dispatcher = Dispatcher(connect("strongroom_relay", clock=clock), sent.append)
    with worker.unit(organisation, ACTOR, request_id="r-1") as uow:
        assert outbox.enqueue(uow, "webhooks.send", "k", {"n": 1})
        assert not outbox.enqueue(uow, "webhooks.send", "k", {"n": 2})
    assert (dispatcher.step(), dispatcher.step()) == (True, False)
    clock.advance(31)
    assert dispatcher.step()
    assert [(one.payload, one.request_id, one.attempt) for one in sent] == [
        ({"n": 1}, "r-1", 1),
        ({"n": 1}, "r-1", 2),
    ]
    with worker.unit(organisation, ACTOR) as uow:
        found = outbox.take(uow, organisation, sent[0].id)
        assert found is not None
        outbox.done(uow, organisation, sent[0].id)
    clock.advance(31)
    assert not dispatcher.step()


def test_a_carrier_that_is_away_loses_nothing(connect):
    clock = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
    organisation = make_organisation(connect.found)
    relay = connect("strongroom_relay", clock=clock)
    with relay.unit(organisation, ACTOR) as uow:
        outbox.enqueue(uow, "webhooks.send", "k", {})

    def away(_) -> None:
        raise ConnectionError

    assert Dispatcher(relay, away).step()
    clock.advance(31)
    sent: list[OutboxMessage] = []
    assert Dispatcher(relay, sent.append).step()
    assert len(sent) == 1


def test_one_leads_and_an_old_leader_is_fenced(connect):
    url = connect.found.url("strongroom_relay")
    relay = connect("strongroom_relay")
    with Leader(url, "relay") as old, Leader(url, "relay") as new:
        assert old.lead()
        assert not new.lead()
        with relay.unit(None, ACTOR) as uow:
            old.fence(uow)
            with pytest.raises(NotLeader):
                new.fence(uow)
        # The old leader's connection is cut without its knowing.
        with psycopg.connect(connect.found.conninfo(), autocommit=True) as superuser:
            superuser.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        while not new.lead():
            pass
        with relay.unit(None, ACTOR) as uow:
            new.fence(uow)
            with pytest.raises(NotLeader):
                old.fence(uow)
        assert not old.lead()

"""The floor under everything: time, ids, checks, crash points, loops, health."""

import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from strongroom.kit import metrics
from strongroom.kit.check import check
from strongroom.kit.clock import FixedClock, SystemClock
from strongroom.kit.errors import Impossible, Unavailable
from strongroom.kit.health import HealthServer
from strongroom.kit.ids import Seeded, new_id
from strongroom.kit.loops import BACK_OFF_SECONDS, Loop
from tests.factories.parts.place import REPOSITORY, free_port

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_clocks_are_aware_and_in_utc():
    clock = FixedClock(START)
    clock.advance(90)
    assert clock.now() - START == timedelta(seconds=90)
    assert SystemClock().now().utcoffset() == timedelta(0)
    with pytest.raises(ValueError, match="time zone"):
        FixedClock(datetime(2026, 5, 1))  # noqa: DTZ001 - what is refused


def test_ids_are_version_7_sorted_by_time_and_replayable():
    clock, bits = FixedClock(START), Seeded(7)
    made = []
    for _ in range(50):
        made.append(new_id(clock, bits))
        clock.advance(0.001)
    assert made == sorted(made)
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    assert made[0].int >> 80 == int(START.timestamp() * 1000)
    assert new_id(FixedClock(START), Seeded(7)) == made[0]
    assert new_id(FixedClock(START)) != new_id(FixedClock(START))


def test_a_broken_invariant_stops_the_task_and_is_counted():
    check(condition=True, what_must_hold="nothing")
    counter = metrics.counter("strongroom_impossible_total", "Broken invariants found in the code.")
    before = counter._value.get()
    with pytest.raises(Impossible, match="water is wet"):
        check(condition=False, what_must_hold="water is wet")
    assert counter._value.get() == before + 1


@pytest.mark.parametrize(("wanted", "code"), [("here:3", -signal.SIGKILL), ("there:1", 0), ("", 0)])
def test_a_crash_point_kills_at_the_nth_pass_and_only_there(wanted, code):
    program = "from strongroom.kit.crash import crash_point\nfor _ in range(3): crash_point('here')"
    environment = os.environ | {"STRONGROOM_CRASH_AT": wanted, "PYTHONPATH": f"{REPOSITORY}/src"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert done.returncode == code


def test_a_loop_outlives_its_failures_backs_off_and_recovers():
    outcomes: Iterator[bool | type[ValueError]] = iter(
        [True, ValueError, ValueError, ValueError, False, True]
    )

    def step() -> bool:
        outcome = next(outcomes)
        if isinstance(outcome, bool):
            return outcome
        raise outcome

    loop = Loop("test", step, 9.0, threading.Event())
    assert [loop.once() for _ in range(4)] == [0.0, *BACK_OFF_SECONDS[:3]]
    with pytest.raises(RuntimeError, match="keeps failing: ValueError"):
        loop.check()
    assert [loop.once() for _ in range(2)] == [9.0, 0.0]
    loop.check()


def test_a_loop_ends_when_told():
    stop = threading.Event()
    thread = Loop("test", lambda: False, 60.0, stop).start()
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_health_says_which_part_is_away():
    def away() -> None:
        raise Unavailable("the database can't be reached")

    checks = {"clock": lambda: None}
    server = HealthServer(checks, free_port())
    server.start()
    base = f"http://127.0.0.1:{server._port}"
    try:
        for path in ("/healthz", "/readyz", "/metrics"):
            with urllib.request.urlopen(base + path, timeout=5) as answer:
                assert answer.status == 200
        checks["database"] = away
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(base + "/readyz", timeout=5)
        body = refused.value.read()
        refused.value.close()
        assert refused.value.code == 503
        assert b"can't be reached" in body
    finally:
        server.stop()
    HealthServer({}, 0).start()

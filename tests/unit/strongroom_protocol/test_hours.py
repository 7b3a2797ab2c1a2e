import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from strongroom_protocol.hours import DAYS, Hours

WORK = Hours("Europe/Berlin", ("mon", "tue", "wed", "thu", "fri"), 8 * 60, 18 * 60, False)


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("utc", "open_"),
    [
        # Berlin is an hour ahead of UTC in winter and two in summer; 2026-11-23 is a Monday.
        ("2026-11-23T06:59:59", False),
        ("2026-11-23T07:00:00", True),
        ("2026-11-23T16:59:59", True),
        ("2026-11-23T17:00:00", False),
        ("2026-07-20T06:00:00", True),
        ("2026-07-20T05:59:59", False),
        ("2026-07-20T16:00:00", False),
        ("2026-11-22T10:00:00", False),
        ("2026-11-21T10:00:00", False),
    ],
)
def test_hours_are_the_places_own(utc, open_):
    assert WORK.hold(at(utc)) is open_
    outside = Hours(WORK.zone, WORK.days, WORK.from_minute, WORK.until_minute, outside=True)
    assert outside.hold(at(utc)) is not open_


def test_a_day_is_the_places_day():
    auckland = Hours("Pacific/Auckland", ("mon",), 0, 24 * 60, False)
    assert auckland.hold(at("2026-11-22T11:00:00"))
    assert not auckland.hold(at("2026-11-22T10:59:59"))
    assert not auckland.hold(at("2026-11-23T11:00:00"))


def test_no_time_is_too_far_away():
    every = Hours("UTC", DAYS, 0, 24 * 60, False)
    assert every.hold(2**53)
    assert every.hold(-5)


def test_zones_are_there_where_the_system_has_none():
    """A small image may come without the system's files; the package `tzdata` has them."""
    asked = "from strongroom_protocol.hours import local_time as t; print(t('Asia/Tokyo', 0).hour)"
    bare = {**os.environ, "PYTHONTZPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", asked], env=bare, capture_output=True, text=True, check=False
    )
    assert done.stdout == "9\n", done.stderr

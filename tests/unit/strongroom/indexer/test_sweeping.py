"""A round of the sweep is spread over its period, and its age is that of the oldest reading."""

from datetime import UTC, datetime, timedelta

from strongroom.indexer.sweeping import Sweep, advance, begin_again

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
LAST = b"\x77" * 20


def after(seconds: int) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


def test_parts_are_spread_over_the_period():
    sweep = Sweep(1, BEGUN, None, None, 0, None)
    assert sweep.is_due(BEGUN, 600, 40_000)
    half = advance(sweep, after(1), LAST, 20_000)
    assert not half.is_due(after(299), 600, 40_000)
    assert half.is_due(after(300), 600, 40_000)


def test_a_round_that_ended_early_waits_and_one_that_is_late_begins_at_once():
    ended = advance(Sweep(1, BEGUN, None, None, 0, None), after(1), None, 5)
    assert not ended.is_due(after(599), 600, 5)
    assert ended.is_due(after(600), 600, 5)
    again = begin_again(ended, after(600))
    assert (again.round, again.begun_at, again.after, again.swept) == (2, after(600), None, 0)
    assert again.whole_since == BEGUN


def test_the_age_is_that_of_the_round_which_ended_last():
    first = Sweep(1, BEGUN, None, None, 0, None)
    assert first.age_seconds(after(50)) is None
    ended = advance(first, after(40), None, 5)
    assert ended.age_seconds(after(50)) == 50
    running = advance(begin_again(ended, after(600)), after(600), LAST, 1)
    assert running.age_seconds(after(700)) == 700


def test_addresses_registered_meanwhile_do_not_stop_the_round():
    grown = Sweep(1, BEGUN, None, LAST, 50, None)
    assert grown.is_due(after(600), 600, 5)
    assert not grown.is_due(after(599), 600, 5)

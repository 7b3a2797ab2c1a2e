"""When a sweep may be planned, at what price, and how many addresses it takes."""

from datetime import UTC, datetime, timedelta

import pytest

from strongroom.deposits import batches
from strongroom.deposits.schedule import EVERY_MOMENT, Schedule


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 5, 4, hour, minute, tzinfo=UTC)


def test_without_a_schedule_every_moment_is_good():
    assert EVERY_MOMENT.is_due(at(3), at(3))


@pytest.mark.parametrize(
    ("begin", "end", "hour", "due"),
    [
        (60, 120, 1, True),
        (60, 120, 2, False),
        (60, 120, 0, False),
        (1380, 60, 23, True),
        (1380, 60, 0, True),
        (1380, 60, 1, False),
        (1380, 60, 12, False),
    ],
)
def test_a_window_is_kept_also_over_midnight(begin: int, end: int, hour: int, due: bool):
    found = Schedule(window_from_minute=begin, window_to_minute=end)
    assert found.is_due(at(hour), None) is due


def test_the_interval_counts_from_the_last_sweep():
    found = Schedule(interval_seconds=3_600)
    assert found.is_due(at(5), None)
    assert not found.is_due(at(5), at(4) + timedelta(seconds=1))
    assert found.is_due(at(5), at(4))


def test_a_price_cap_only_lowers_what_the_policy_allows():
    assert Schedule(max_fee_per_gas_wei=5).fee_cap_wei(9) == 5
    assert Schedule(max_fee_per_gas_wei=50).fee_cap_wei(9) == 9
    assert Schedule().fee_cap_wei(9) == 9


def test_hundreds_of_addresses_fit_and_no_plan_asks_for_more_than_a_transaction_may():
    kinds = [(native, fresh) for native in (True, False) for fresh in (True, False)]
    counts = [batches.most(native=native, fresh=fresh) for native, fresh in kinds]
    assert counts == [200, 200, 166, 200]
    for (native, fresh), count in zip(kinds, counts, strict=True):
        gas = batches.gas_of(count * native, count * (not native), count * fresh)
        assert gas <= batches.GAS_MAX


def test_a_dear_market_makes_smaller_sweeps_and_never_none():
    assert batches.gas_affordable(10**18, None) == batches.GAS_MAX
    assert batches.gas_affordable(10**18, 10**11) == 5_000_000
    assert batches.gas_affordable(1, 10**11) == batches.gas_of(0, 1, 1)

"""Prices and next steps of an outgoing transaction, without anything around."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from strongroom.relay import rules
from strongroom.relay.rules import AttemptState, NextStep, Pace
from strongroom.relay.types import FeeCap, Fees

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
FEES = Fees(21_000, 100, 10)
WEI = some.integers(1, 10**15)


def attempt(number: int = 0, kind: str = "payload", **more: object) -> AttemptState:
    given_: dict[str, object] = {
        "signed": True, "refused": False, "planned_at": NOW, "first_broadcast_at": NOW
    }  # fmt: skip
    return AttemptState(number, kind, FEES, **{**given_, **more})  # type: ignore[arg-type]


def step(*attempts: AttemptState, cancel: bool = False, after_seconds: int = 0) -> NextStep:
    now = NOW + timedelta(seconds=after_seconds)
    return rules.next_step(attempts, cancel_requested=cancel, now=now, pace=Pace())


def test_the_way_of_a_first_attempt_is_plan_sign_broadcast():
    assert step() == NextStep("plan", 0)
    assert step(attempt(signed=False, first_broadcast_at=None)) == NextStep("sign", 0)
    assert step(attempt(first_broadcast_at=None)) == NextStep("broadcast", 0)
    assert step(attempt()) == NextStep("broadcast", 0)


def test_a_bump_comes_when_it_is_stuck_and_again_a_while_after_a_refusal():
    assert step(attempt(), after_seconds=59) == NextStep("broadcast", 0)
    assert step(attempt(), after_seconds=60) == NextStep("plan", 1)
    refused = attempt(1, signed=False, refused=True, first_broadcast_at=None)
    assert step(attempt(), refused, after_seconds=59) == NextStep("broadcast", 0)
    assert step(attempt(), refused, after_seconds=60) == NextStep("plan", 1)


def test_a_refused_bump_does_not_stand_in_the_way_of_a_cancel():
    """P10: the nonce of a suspended organisation's transaction holds up everybody behind it."""
    refused = attempt(1, signed=False, refused=True, first_broadcast_at=None)
    assert step(attempt(), refused, cancel=True) == NextStep("plan", 1, "cancel")
    refused_cancel = attempt(1, "cancel", signed=False, refused=True, first_broadcast_at=None)
    assert step(attempt(), refused_cancel, cancel=True) == NextStep("broadcast", 0)
    later = step(attempt(), refused_cancel, cancel=True, after_seconds=60)
    assert later == NextStep("plan", 1, "cancel")


def test_bumps_end():
    many = [attempt(number) for number in range(rules.ATTEMPTS_MAX)]
    assert step(*many, after_seconds=999).act == "broadcast"


def test_after_a_cancel_only_the_cancel_is_bumped():
    assert step(attempt(), cancel=True) == NextStep("plan", 1, "cancel")
    sent = attempt(1, "cancel")
    assert step(attempt(), sent, cancel=True) == NextStep("broadcast", 1, "cancel")
    assert step(attempt(), sent, cancel=True, after_seconds=60) == NextStep("plan", 2, "cancel")


@given(WEI, WEI, WEI, WEI)
def test_both_fees_rise_by_an_eighth_and_reach_the_market(
    max_fee: int, tip: int, market: int, market_tip: int
):
    before = Fees(21_000, max(max_fee, tip), tip)
    after = rules.next_fees(before, 21_000, market, market_tip, 10**18)
    assert after is not None
    assert after.max_fee_per_gas_wei * 8 >= before.max_fee_per_gas_wei * 9
    assert after.max_priority_fee_per_gas_wei * 8 >= before.max_priority_fee_per_gas_wei * 9
    assert after.max_fee_per_gas_wei >= market
    assert after.max_priority_fee_per_gas_wei <= after.max_fee_per_gas_wei


def test_above_the_cap_nothing_is_offered():
    assert rules.first_fees(21_000, 101, 1, 100) is None
    assert rules.next_fees(FEES, 21_000, 1, 1, 112) is None
    assert rules.next_fees(FEES, 21_000, 1, 1, 113) == Fees(21_000, 113, 12)


def test_the_lowest_of_all_caps_counts():
    assert FeeCap().per_gas_wei(100, 7) == 7
    assert FeeCap(5, 1_000).per_gas_wei(100, 7) == 5
    assert FeeCap(50, 300).per_gas_wei(100, 70) == 3

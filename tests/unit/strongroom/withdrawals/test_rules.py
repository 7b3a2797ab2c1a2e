"""The graph of a withdrawal: what may end at once, and what only a mined transaction ends."""

import pytest

from strongroom.kit.errors import Impossible
from strongroom.withdrawals import rules


def reachable(start: str) -> set[str]:
    found, todo = set(), [start]
    while todo:
        for state in rules.STEPS.get(todo.pop(), frozenset()):
            if state not in found:
                found.add(state)
                todo.append(state)
    return found


def test_every_state_is_reached_and_every_one_comes_to_an_end():
    states = set().union(*rules.STEPS.values())
    assert states == rules.UNBOUND | rules.BOUND | rules.ENDED
    for state in rules.UNBOUND | rules.BOUND:
        assert reachable(state) & rules.ENDED, state
    assert not set(rules.STEPS) & rules.ENDED


def test_a_bound_nonce_is_left_only_by_what_is_mined():
    """Fact 2: nothing leads from a bound state to an end but `mined` and `voiding`."""
    for state in rules.BOUND - {"mined", "voiding"}:
        assert not rules.STEPS[state] & rules.ENDED, state
    assert rules.STEPS["mined"] & rules.ENDED == {"finalized"}


def test_nothing_is_paid_without_a_bound_nonce():
    for state in rules.UNBOUND - {"approved"}:
        assert not rules.STEPS[state] & rules.BOUND, state
    assert rules.STEPS["approved"] & rules.BOUND == {"binding", "mined"}


def test_a_step_that_is_none_stops_the_task():
    with pytest.raises(Impossible):
        rules.check_step("finalized", "signed")


def test_each_try_of_a_rejection_has_a_reference_of_its_own():
    permits = (bytes(65), bytes(64) + b"\x1b")
    refs = {rules.execution_ref(permit, turn) for permit in permits for turn in range(3)}
    assert len(refs) == 6

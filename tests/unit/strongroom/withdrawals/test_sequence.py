"""Rules ask by groups, one after the other: whose turn it is, and who is still needed."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from strongroom.withdrawals.sequence import Round, may_sign_now, needs, too_early
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.consent import Demand
from strongroom_protocol.rules import Group
from tests.unit.strongroom_protocol.organisation import (
    ADA,
    BEN,
    CAT,
    DAN,
    EVE,
    NOW,
    bundle,
    person,
)

BOARD, FINANCE, LAW = (Group("approver", name, 1) for name in ("board", "finance", "law"))
ANYBODY = Demand("threshold", ((Group("approver", None, 2),),))
FINANCE_THEN_BOARD = Demand("large", ((FINANCE, BOARD),))
BOARD_THEN_FINANCE = Demand("other", ((BOARD, FINANCE),))


def policy(**changes: Any) -> Bundle:
    people = [
        person(ADA, "administrator", "initiator", department="finance"),
        person(EVE, "administrator", "approver", department="law"),
        person(BEN, "approver", department="finance"),
        person(CAT, "approver", department="board"),
        person(DAN, "approver", department="board"),
    ]
    return bundle(people=people, rules=[], **changes)


def state(*signed: str, policy_: Bundle | None = None) -> Round:
    found = policy_ or policy()
    able = tuple(one for one in found.people if "approver" in one.roles)
    return Round(found, "ada", frozenset(signed), able, NOW)


def who(found: Round, name: str) -> Any:
    return next(one for one in found.bundle.people if one.id == name)


def early(*signed: str, by: str, demands: Any = (ANYBODY, FINANCE_THEN_BOARD), **more: Any) -> Any:
    found = state(*signed, **more)
    return too_early(demands, found, who(found, by))


def open_to(*signed: str, demands: Any = (ANYBODY, FINANCE_THEN_BOARD)) -> set[str]:
    return {one.id for one in may_sign_now(demands, state(*signed))}


def test_a_later_group_waits_and_is_told_for_whom():
    assert early(by="cat") == (
        "It is not Cat's turn yet: rule large first asks for 1 approver of finance, and 1 of them "
        "is still to sign."
    )
    assert early(by="ben") is None
    assert early("ben", by="cat") is None


def test_who_stands_in_no_group_of_the_sequence_need_not_wait():
    """Eve of the law department counts for the vault's threshold only."""
    assert early(by="eve") is None


def test_without_a_sequence_nobody_waits():
    assert early(by="cat", demands=(ANYBODY,)) is None


def test_two_rules_in_opposite_orders_do_not_wait_for_each_other():
    demands = (ANYBODY, FINANCE_THEN_BOARD, BOARD_THEN_FINANCE)
    assert early(by="ben", demands=demands) is None
    assert early(by="cat", demands=demands) is None


def test_another_path_may_let_a_person_sign_at_once():
    either = Demand("either", ((FINANCE, BOARD), (BOARD, LAW)))
    assert early(by="cat", demands=(either,)) is None
    assert early(by="eve", demands=(either,)) is not None


def test_whose_turn_it_is():
    assert open_to() == {"ben", "eve"}
    assert open_to("ben") == {"cat", "dan", "eve"}
    assert open_to("ben", "cat") == set()
    assert open_to("ben", "eve") == {"cat", "dan"}


def test_nobody_waits_for_what_everybody_together_cannot_fill():
    never = Demand("never", ((Group("approver", "board", 2), BOARD, FINANCE),))
    assert early(by="ben", demands=(ANYBODY, never)) is None


def test_a_deputy_signs_in_the_turn_of_whom_she_stands_for():
    deputies = [{"person": "ben", "deputy": "cat", "from": NOW - 5, "until": NOW + 5}]
    assert early(by="cat", policy_=policy(deputies=deputies)) is None
    (large,) = needs((FINANCE_THEN_BOARD,), state(policy_=policy(deputies=deputies)))
    assert large.paths[0][0].people == ("ben", "cat")
    over = [{**deputies[0], "until": NOW - 1}]
    assert early(by="cat", policy_=policy(deputies=over)) is not None


def test_who_is_still_needed_group_by_group():
    threshold, large = needs((ANYBODY, FINANCE_THEN_BOARD), state("cat"))
    assert (threshold.is_met, large.is_met) == (False, False)
    ((finance, board),) = large.paths
    assert (finance.missing, finance.people, finance.is_next) == (1, ("ben",), True)
    assert (board.missing, board.people, board.is_next) == (0, (), False)
    threshold, large = needs((ANYBODY, FINANCE_THEN_BOARD), state("cat", "ben"))
    assert (threshold.is_met, large.is_met) == (True, True)


NEVER = (BOARD, Group("approver", "board", 2), FINANCE)
GROUPS = st.sampled_from([BOARD, FINANCE, LAW, Group("approver", "board", 2)])
DEMANDS = st.lists(
    st.lists(st.lists(GROUPS, min_size=1, max_size=3).map(tuple), min_size=1, max_size=2).map(
        lambda paths: Demand("rule", tuple(paths))
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=400)
@example([Demand("one", ((FINANCE,),)), Demand("never", (NEVER,))])
@given(DEMANDS)
def test_whoever_signs_in_turn_gets_as_far_as_everybody_together(demands):
    """No order of rules and groups leaves people waiting for each other."""
    signed: list[str] = []
    while found := may_sign_now(demands, state(*signed)):
        signed.append(found[0].id)
    everybody = state("eve", "ben", "cat", "dan")
    met = [one.is_met for one in needs(demands, everybody)]
    assert [one.is_met for one in needs(demands, state(*signed))] == met

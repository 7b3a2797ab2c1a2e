"""The smallest set that can do a thing: the same as looking at every set there is."""

from collections.abc import Hashable
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from strongroom.policy.collusion import smallest_set

KINDS = st.lists(st.integers(0, 3), min_size=1, max_size=8)
NEEDS = st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=1, max_size=4)
"""Any of these is enough: so many people of each kind. A monotone question."""


def question(kinds: dict[str, Hashable], needs: list[tuple[int, ...]]):
    def can(people: frozenset[str]) -> bool:
        return any(
            all(sum(kinds[one] == kind for one in people) >= n for kind, n in enumerate(need))
            for need in needs
        )

    return can


def by_looking_at_all(kinds: dict[str, Hashable], can) -> int | None:
    for size in range(len(kinds) + 1):
        if any(can(frozenset(chosen)) for chosen in combinations(kinds, size)):
            return size
    return None


@given(KINDS, NEEDS)
def test_it_is_as_small_as_the_smallest_of_all_sets(drawn, needs):
    kinds = {f"p{i}": kind for i, kind in enumerate(drawn)}
    can = question(kinds, needs)
    found, size = smallest_set(kinds, can), by_looking_at_all(kinds, can)
    assert found.exact
    assert size == (None if found.people is None else len(found.people))
    assert found.people is None or can(frozenset(found.people))


@given(KINDS, NEEDS)
def test_people_of_one_kind_are_asked_about_once(drawn, needs):
    kinds = {f"p{i}": kind for i, kind in enumerate(drawn)}
    can = question(kinds, needs)
    apart = smallest_set({one: one for one in kinds}, can)
    together = smallest_set(kinds, can)
    assert len(apart.people or ()) == len(together.people or ())
    assert together.tried <= apart.tried


@given(KINDS, NEEDS, st.integers(1, 12))
def test_a_search_that_was_cut_short_says_so_and_claims_no_more_than_it_knows(drawn, needs, most):
    kinds = {f"p{i}": kind for i, kind in enumerate(drawn)}
    can = question(kinds, needs)
    found, size = smallest_set(kinds, can, tries_max=most), by_looking_at_all(kinds, can)
    if found.people is None or size is None:
        assert found.people is None
        assert size is None
        return
    assert can(frozenset(found.people))
    assert found.at_least <= size <= len(found.people)
    assert not found.exact or size == len(found.people)
    for one in found.people:
        assert not can(frozenset(found.people) - {one})


def test_thirty_people_alike_cost_one_question_a_size():
    kinds = {f"p{i:02}": "approver" for i in range(30)}
    found = smallest_set(kinds, lambda people: len(people) >= 20)
    assert found.people is not None
    assert (len(found.people), found.tried) == (20, 22)

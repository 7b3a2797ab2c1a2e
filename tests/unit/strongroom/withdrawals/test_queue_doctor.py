"""A vault's queue: dead numbers, conflicts, gaps, stale signatures, the fewest who mend it."""

from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strongroom.withdrawals.queue_doctor import Diagnosis, Entry, diagnose


def entry(name: str, nonce: int, needs: int = 0, **more: Any) -> Entry:
    able = more.pop("able", ("ada", "ben", "cat"))
    found: dict[str, Any] = {
        "kind": "payment",
        "state": "awaiting_approval",
        "signed": (),
        "stale": (),
        "able": {one: one for one in able},
        "enough": lambda people: len(people) >= needs,
    }
    return Entry(name=name, nonce=nonce, **{**found, **more})


def findings(found: Diagnosis) -> list[tuple[str, int]]:
    return [(one.finding, one.nonce) for one in found.complaints]


def look(*entries: Entry, at: int = 5) -> Diagnosis:
    return diagnose(at, "the chain", entries)


def test_a_queue_in_order_has_nothing_wrong():
    assert findings(look(entry("one", 5), entry("two", 6))) == []


def test_a_number_that_the_chain_has_used_is_dead():
    found = look(entry("late", 4, needs=2), entry("next", 5))
    assert findings(found) == [("dead", 4)]
    assert "can never be executed" in found.complaints[0].sentence
    assert found.resign == (), "nobody signs what is dead"


def test_two_things_with_one_number_exclude_each_other():
    found = look(entry("invoice", 5), entry("invoice", 5, kind="rejection"))
    assert findings(found) == [("conflict", 5)]
    assert "payment invoice and rejection invoice" in found.complaints[0].sentence


def test_what_stands_behind_a_number_that_nobody_uses_waits_for_ever():
    found = look(entry("stuck", 7), entry("next", 5))
    assert findings(found) == [("gap", 6)]
    assert found.complaints[0].names == ("stuck",)


def test_stale_signatures_and_a_cancellation_that_waits_are_told():
    found = look(entry("one", 5, stale=("dan",)), entry("two", 6, kind="rejection", needs=2))
    assert findings(found) == [("stale_signatures", 5), ("cancelling", 6)]
    assert "dan" in found.complaints[0].sentence
    assert "2 more of the owners" in found.complaints[1].sentence


def test_what_nobody_can_complete_is_said():
    found = look(entry("hopeless", 5, needs=2, able=("ada",)))
    assert findings(found) == [("nobody_left", 5)]
    assert found.resign == ()


def test_the_same_people_are_asked_for_everything_if_they_can():
    """Ben alone can sign both; Ada and Cat would be two."""
    found = look(
        entry("one", 5, needs=1, able=("ada", "ben")), entry("two", 6, needs=1, able=("ben", "cat"))
    )
    assert found.people == ("ben",)
    assert [(one.name, one.people) for one in found.resign] == [
        ("one", ("ben",)),
        ("two", ("ben",)),
    ]


PEOPLE = ("ada", "ben", "cat", "dan")
ENTRIES = st.lists(
    st.tuples(st.sets(st.sampled_from(PEOPLE), min_size=1), st.integers(0, 3)),
    min_size=1,
    max_size=4,
)


@given(ENTRIES)
def test_no_smaller_set_of_people_would_do(drawn):
    entries = [entry(str(i), 5 + i, needs, able=tuple(able)) for i, (able, needs) in
               enumerate(drawn)]  # fmt: skip
    found = look(*entries)
    solvable = [one for one in entries if one.enough(frozenset(one.able))]

    def mends(people: tuple[str, ...]) -> bool:
        return all(one.enough(frozenset(people) & frozenset(one.able)) for one in solvable)

    assert mends(found.people)
    for size in range(len(found.people)):
        assert not any(mends(people) for people in combinations(PEOPLE, size))

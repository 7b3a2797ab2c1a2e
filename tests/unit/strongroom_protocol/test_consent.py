"""Different people for a path's groups: the short way against trying everything."""

from dataclasses import replace
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.bundle import Person
from strongroom_protocol.consent import Demand, approving, crowd, missing, remaining
from strongroom_protocol.deputies import Deputy
from strongroom_protocol.rules import Group
from tests.unit.strongroom_protocol.organisation import NOW, bundle

ROLES, PLACES = ("approver", "administrator", "initiator"), ("finance", "medicine", None)
GROUPS = st.builds(Group, st.sampled_from(ROLES), st.sampled_from(PLACES), st.integers(1, 2))
PEOPLE = st.lists(
    st.tuples(
        st.lists(st.sampled_from(ROLES), min_size=1, max_size=2, unique=True),
        st.sampled_from(PLACES),
    ),
    max_size=5,
)


def somebody(number, roles, department):
    return Person(f"p{number}", f"P{number}", None, tuple(roles), department)


def filled_by_trying(path, people):
    """The best that any order of people does, place by place: counts a group."""
    slots = [i for i, group in enumerate(path) for _ in range(group.minimum)]
    best = tuple(0 for _ in path)
    for order in permutations([*people, *[None] * len(slots)], len(slots)):
        found = [0] * len(path)
        for slot, person in zip(slots, order, strict=True):
            if person is not None and path[slot].fits(person.roles, person.department):
                found[slot] += 1
        best = max(best, tuple(found))
    return best


@given(st.lists(GROUPS, min_size=1, max_size=2), PEOPLE.filter(lambda found: len(found) < 4))
def test_the_earliest_groups_are_filled_first_as_well_as_can_be(path, people):
    there = [somebody(i, *one) for i, one in enumerate(people)]
    lacking = remaining(tuple(path), crowd((one,) for one in there))
    best = filled_by_trying(tuple(path), there)
    assert lacking == tuple(group.minimum - found for group, found in zip(path, best, strict=True))


def test_who_fits_two_groups_stands_in_one():
    finance, anybody = Group("approver", "finance", 1), Group("approver", None, 1)
    one = crowd([(somebody(1, ["approver"], "finance"),)])
    assert remaining((finance, anybody), one) == (0, 1)
    assert remaining((anybody, finance), one) == (0, 1)
    two = crowd((somebody(i, ["approver"], place),) for i, place in enumerate(("finance", None)))
    assert remaining((anybody, finance), two) == (0, 0)


def test_any_path_is_enough_and_each_says_what_it_lacks():
    finance, two = Group("approver", "finance", 1), Group("approver", None, 2)
    demand = Demand("r", ((finance,), (two, Group("compliance", None, 1))))
    assert missing([demand], crowd([(somebody(1, ["approver"], "finance"),)])) == ()
    (lacking,) = missing([demand], crowd([(somebody(1, ["approver"], None),)]))
    assert lacking.paths == ((finance,), (Group("approver", None, 1), Group("compliance", None, 1)))
    assert lacking.sentence() == "1 approver of finance; or 1 approver, then 1 compliance"


ACTING = (Deputy("dan", "ben", NOW, NOW + 10), Deputy("ada", "cat", NOW, NOW + 10))
MEDICINE = (Group("approver", "medicine", 1),)


def bundle_with(*deputies):
    return replace(bundle(), deputies=deputies)


def test_a_deputy_stands_for_somebody_only_within_the_dates():
    acting = bundle_with(*ACTING)
    for now, lacking in ((NOW - 1, 1), (NOW, 0), (NOW + 10, 0), (NOW + 11, 1)):
        assert remaining(MEDICINE, approving(acting, {"ben"}, "ada", now)) == (lacking,)


def test_nobody_stands_for_the_initiator():
    """Cat is Ada's deputy: of what Ada ordered she approves nothing in Ada's place."""
    administrator = (Group("administrator", None, 1),)
    acting = bundle_with(*ACTING)
    assert remaining(administrator, approving(acting, {"cat"}, "ben", NOW)) == (0,)
    assert remaining(administrator, approving(acting, {"cat"}, "ada", NOW)) == (1,)
    assert approving(acting, {"ada"}, "ada", NOW) == {}
    assert remaining(MEDICINE, approving(acting, {"ben"}, "ben", NOW)) == (1,)


def test_who_signs_too_is_counted_once():
    two = (Group("approver", "medicine", 2),)
    acting = bundle_with(*ACTING)
    assert remaining(two, approving(acting, {"ben"}, "ada", NOW)) == (1,)
    assert remaining(two, approving(acting, {"ben", "dan"}, "ada", NOW)) == (1,)

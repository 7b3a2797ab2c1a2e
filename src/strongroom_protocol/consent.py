"""Whether the people who approved are those who were asked for.

A path needs different people for its groups: who fits two of them stands in one. How many can
stand at once is the least of (people who fit some groups + places in the others), over every
choice of those groups (König and Ore): exact, and no search. A person counts in each rule anew.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.rules import Path

# An approver's signature is the only one that counts (`evidence`).
APPROVER = "approver"
# As whom somebody may stand: the own person first, then those whom she represents now.
Standing = tuple[Person, ...]
# A bit a person, by role and department, and by role and None: of any department.
Crowd = dict[tuple[str, str | None], int]


@dataclass(frozen=True, slots=True)
class Demand:
    """What one rule, or the wallet itself ("threshold"), asks for: any one of these paths."""

    rule_id: str
    paths: tuple[Path, ...]

    def sentence(self) -> str:
        """`2 approvers of finance, then 1 approver; or 1 administrator`."""
        return "; or ".join(", then ".join(one.sentence() for one in path) for path in self.paths)


def standing(bundle: Bundle, person: Person, now: int) -> Standing:
    """The person, and whoever she is deputy of at `now`."""
    if not bundle.deputies:
        return (person,)
    for_whom = {one.person for one in bundle.deputies if one.deputy == person.id and one.acts(now)}
    return (person, *(one for one in bundle.people if one.id in for_whom))


def crowd(people: Iterable[Standing]) -> Crowd:
    """Who fits what."""
    found: Crowd = {}
    for place, as_whom in enumerate(people):
        for one in as_whom:
            for role in one.roles:
                found[role, None] = found.get((role, None), 0) | 1 << place
                if one.department is not None:
                    name = (role, one.department)
                    found[name] = found.get(name, 0) | 1 << place
    return found


def approving(bundle: Bundle, ids: Collection[str], initiator: str, now: int) -> Crowd:
    """Whose approval counts for an order of `initiator`, and as whom: never the initiator, nor
    anybody as the initiator's deputy; who signed herself is represented by nobody.
    """
    signed = [one for one in bundle.people if one.id in ids and one.id != initiator]
    if not bundle.deputies:
        return crowd((one,) for one in signed)
    found = []
    for person in signed:
        own, *others = standing(bundle, person, now)
        found.append((own, *(one for one in others if one.id not in {initiator, *ids})))
    return crowd(found)


def remaining(path: Path, people: Crowd) -> tuple[int, ...]:
    """How many people each group still lacks, where the earliest groups are filled first."""
    choices, before, lacking = [(0, 0)], 0, []
    for group in path:
        fitting = people.get((group.role, group.department), 0)
        choices = [
            choice
            for who, places in choices
            for choice in ((who | fitting, places), (who, places + group.minimum))
        ]
        filled = min(who.bit_count() + places for who, places in choices)
        lacking.append(group.minimum - (filled - before))
        before = filled
    return tuple(lacking)


def is_met(demand: Demand, people: Crowd) -> bool:
    """Whether one of its paths has everybody."""
    return any(not any(remaining(path, people)) for path in demand.paths)


def missing(demands: Iterable[Demand], people: Crowd) -> tuple[Demand, ...]:
    """The demands that are not met, each path with what it still lacks."""
    return tuple(
        Demand(demand.rule_id, tuple(_rest(path, people) for path in demand.paths))
        for demand in demands
        if not is_met(demand, people)
    )


def _rest(path: Path, people: Crowd) -> Path:
    lacking = zip(path, remaining(path, people), strict=True)
    return tuple(replace(group, minimum=count) for group, count in lacking if count)

"""The smallest set of people who can do a thing together. Pure; exact up to a stated work.

What a set can do must grow with the set: somebody more never takes a power away. People whom the
question cannot tell apart share a `kind`, so that of each kind only the number is searched.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

TRIES_MAX: Final = 50_000
"""Questions asked at most: with ten kinds of people, every set of up to eight people is reached."""


@dataclass(frozen=True, slots=True)
class Smallest:
    """`people`: a smallest set, ascending; None = not even everybody together.

    When not `exact`, no set of fewer than `at_least` people can, and `people` is a set from which
    nobody can be spared, though a smaller one may exist.
    """

    people: tuple[str, ...] | None
    exact: bool
    at_least: int
    tried: int


def smallest_set(
    kinds: Mapping[str, Hashable],
    can: Callable[[frozenset[str]], bool],
    *,
    tries_max: int = TRIES_MAX,
) -> Smallest:
    """The smallest set of the people in `kinds` for which `can` says yes.

    `can` is monotone and treats people of one kind alike. Sets are tried by size; after
    `tries_max` questions the search ends with a set that is only known to be minimal.
    """
    everybody = frozenset(kinds)
    if not can(everybody):
        return Smallest(None, exact=True, at_least=len(everybody) + 1, tried=1)
    tried = 1
    for size in range(len(everybody) + 1):
        for people in _sets_of(kinds, size):
            if tried >= tries_max:
                return _spared(everybody, can, at_least=size, tried=tried)
            tried += 1
            if can(people):
                return Smallest(tuple(sorted(people)), exact=True, at_least=size, tried=tried)
    return Smallest(tuple(sorted(everybody)), exact=True, at_least=len(everybody), tried=tried)


def _sets_of(kinds: Mapping[str, Hashable], size: int) -> Iterator[frozenset[str]]:
    """One set of that size for each number of people of each kind."""
    groups: dict[Hashable, list[str]] = {}
    for person in sorted(kinds):
        groups.setdefault(kinds[person], []).append(person)
    members = list(groups.values())
    # What the groups from here on can still give: branches that fall short are not entered.
    left = [sum(map(len, members[i:])) for i in range(len(members) + 1)]

    def choose(index: int, wanted: int) -> Iterator[tuple[str, ...]]:
        if wanted > left[index]:
            return
        if index == len(members):
            yield ()
            return
        group = members[index]
        for count in range(min(wanted, len(group)), -1, -1):
            for rest in choose(index + 1, wanted - count):
                yield (*group[:count], *rest)

    return map(frozenset, choose(0, size))


def _spared(
    everybody: frozenset[str],
    can: Callable[[frozenset[str]], bool],
    *,
    at_least: int,
    tried: int,
) -> Smallest:
    """Whoever can be spared goes, one after the other: a minimal set, by one question a person."""
    kept = everybody
    for person in sorted(everybody):
        if can(kept - {person}):
            kept -= {person}
    found = tuple(sorted(kept))
    exact = len(found) == at_least
    return Smallest(found, exact=exact, at_least=at_least, tried=tried + len(everybody))

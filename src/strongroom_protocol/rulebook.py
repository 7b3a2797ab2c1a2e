"""A bundle's rules, made ready once: each rule is a bit, and each condition a table from a fact to
the rules that it leaves standing. What is left after all conditions have been asked, matches.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from strongroom_protocol.addresses import Address
from strongroom_protocol.bundle import Bundle, Destination, Limit, Person, Spending
from strongroom_protocol.facts import Facts, Used
from strongroom_protocol.hours import Hours
from strongroom_protocol.rules import (
    ADDRESS_BOOK,
    OWN_WALLETS,
    VAULT,
    Over,
    Rule,
    When,
)

# A rule's place, and its range: above, at most.
_Bounds = tuple[int, int | None, int | None]
RULEBOOKS_KEPT = 256
# More than any value or bound.
_BEYOND = 2**512


@dataclass(frozen=True, slots=True)
class _Named:
    """A condition that lists names: the rules without it, and those that list a name."""

    free: int
    named: dict[object, int]

    def of(self, names: Iterable[object]) -> int:
        """The rules that these names leave standing."""
        mask = self.free
        for name in names:
            mask |= self.named.get(name, 0)
        return mask


@dataclass(frozen=True, slots=True)
class _Ranges:
    """A condition "above and at most": the rules that stand between two bounds."""

    bounds: tuple[int, ...]
    masks: tuple[int, ...]

    def of(self, number: int) -> int:
        """The rules whose range this number is in."""
        return self.masks[bisect_left(self.bounds, number)]


@dataclass(frozen=True, slots=True)
class Match:
    """The rules that match, in their order, and what had to be asked for that."""

    rules: tuple[Rule, ...]
    used: dict[Over, Used]
    # False: no rule permits this for each value that the payment may have.
    permitted: bool


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The tables of one bundle; people, limits, entries and spending keys by what names them."""

    bundle: Bundle
    people: dict[str, Person]
    limits: dict[str, Limit]
    entries: dict[Address, Destination]
    spending: dict[Address, Spending]
    denying: int
    valued: int
    over: int
    initiators: _Named
    departments: _Named
    sources: _Named
    destinations: _Named
    tags: _Named
    assets: _Named
    screening: _Named
    units: dict[str, _Ranges]
    unranged: int
    values: _Ranges
    hours: tuple[tuple[Hours, int], ...]

    def match(self, facts: Facts, person: Person) -> Match:
        """Which rules match this payment. A value that is not known matches each rule that denies,
        and otherwise counts as beyond every bound.
        """
        standing = self._standing(facts, person)
        used: dict[Over, Used] = {}
        if facts.value_units is not None:
            standing &= self.values.of(facts.value_units)
            found = self._over_matching(standing, facts, used)
            return Match(tuple(self._rules(found)), used, bool(found & ~self.denying))
        standing = self._over_matching(standing, facts, used)
        found = standing & (self.values.masks[-1] | self.denying)
        permitting = self._rules(standing & ~self.denying)
        return Match(tuple(self._rules(found)), used, _leave_no_gap(permitting, used))

    def _standing(self, facts: Facts, person: Person) -> int:
        """Everything but what a payment is worth and what was paid before."""
        entry = self.entries.get(facts.destination)
        kinds: list[object] = [facts.destination]
        if entry is not None:
            kinds.append(ADDRESS_BOOK)
        if facts.destination == facts.vault or facts.destination in self.spending:
            kinds.append(OWN_WALLETS)
        ranges = self.units.get(facts.asset)
        standing = (
            self.initiators.of((facts.initiator,))
            & self.departments.of((person.department,))
            & self.sources.of((VAULT if facts.wallet is None else facts.wallet,))
            & self.destinations.of(kinds)
            & self.tags.of(() if entry is None else entry.tags)
            & self.assets.of((facts.asset,))
            & self.screening.of((facts.screening,))
            & (self.unranged if ranges is None else ranges.of(facts.units))
        )
        for hours, rules in self.hours:
            if standing & rules and not hours.hold(facts.now):
                standing &= ~rules
        return standing

    def _over_matching(self, standing: int, facts: Facts, used: dict[Over, Used]) -> int:
        for place in _places(standing & self.over):
            for over in self.bundle.rules[place].when.over:
                if over not in used:
                    used[over] = facts.history.used(over, facts)
                if not is_over(over, used[over], facts):
                    standing &= ~(1 << place)
                    break
        return standing

    def _rules(self, mask: int) -> Iterator[Rule]:
        return (self.bundle.rules[place] for place in _places(mask))


def is_over(over: Over, used: Used, facts: Facts) -> bool:
    """Whether what was used, with this payment, is more; an unknown value is."""
    if over.count_above is not None:
        return used.count + 1 > over.count_above
    if over.units_above is not None:
        return used.units + facts.units > over.units_above
    if used.value_units is None or facts.value_units is None:
        return True
    return used.value_units + facts.value_units > (over.value_above or 0)


@lru_cache(maxsize=RULEBOOKS_KEPT)
def rulebook(bundle: Bundle) -> Rulebook:
    """The bundle's tables, made once."""
    rules = bundle.rules
    everything = (1 << len(rules)) - 1
    units: dict[str, list[_Bounds]] = {}
    for place, rule in enumerate(rules):
        above, at_most = rule.when.units_above, rule.when.units_at_most
        if rule.when.assets and (above, at_most) != (None, None):
            units.setdefault(rule.when.assets[0], []).append((place, above, at_most))
    return Rulebook(
        bundle=bundle,
        people={person.id: person for person in bundle.people},
        limits={limit.asset.code: limit for limit in bundle.limits},
        entries={entry.address: entry for entry in bundle.address_book},
        spending={key.address: key for key in bundle.spending},
        denying=_mask(rules, lambda rule: rule.verdict == "deny"),
        valued=_mask(rules, lambda rule: rule.when.asks_value),
        over=_mask(rules, lambda rule: bool(rule.when.over)),
        initiators=_named(rules, lambda when: when.initiators),
        departments=_named(rules, lambda when: when.departments),
        sources=_named(rules, lambda when: when.sources),
        destinations=_named(rules, _destinations),
        tags=_named(rules, lambda when: when.tags),
        assets=_named(rules, lambda when: when.assets),
        screening=_named(rules, lambda when: when.screening),
        units={asset: _ranges(everything, bounds) for asset, bounds in units.items()},
        unranged=everything,
        values=_ranges(
            everything,
            [
                (place, rule.when.value_above, rule.when.value_at_most)
                for place, rule in enumerate(rules)
            ],
        ),
        hours=_hours(rules),
    )


def _leave_no_gap(rules: Iterable[Rule], used: dict[Over, Used]) -> bool:
    """Whether one of these permits, whatever the value is: their ranges follow each other from
    nothing to beyond every bound.
    """
    ranges = sorted(_permitted_range(rule.when, used) for rule in rules)
    reached = -1
    for above, at_most in ranges:
        if above > reached:
            return False
        if at_most >= _BEYOND:
            return True
        reached = max(reached, at_most)
    return False


def _permitted_range(when: When, used: dict[Over, Used]) -> tuple[int, int]:
    """For which values this rule permits: above the first, at most the second."""
    above = -1 if when.value_above is None else when.value_above
    for over in when.over:
        before = used[over].value_units
        if over.value_above is not None and before is not None:
            above = max(above, over.value_above - before)
    return above, _BEYOND if when.value_at_most is None else when.value_at_most


def _places(mask: int) -> Iterator[int]:
    """The places of the bits that are set, the lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _mask(rules: tuple[Rule, ...], is_set: Callable[[Rule], bool]) -> int:
    return sum(1 << place for place, rule in enumerate(rules) if is_set(rule))


def _named(rules: tuple[Rule, ...], listed: Callable[[When], Iterable[object] | None]) -> _Named:
    free, named = 0, dict[object, int]()
    for place, rule in enumerate(rules):
        names = listed(rule.when)
        if names is None:
            free |= 1 << place
        for name in names or ():
            named[name] = named.get(name, 0) | 1 << place
    return _Named(free, named)


def _destinations(when: When) -> Iterable[object] | None:
    places = when.destinations
    return (places,) if isinstance(places, str) else places


def _ranges(everything: int, bounds: Iterable[_Bounds]) -> _Ranges:
    """Going up, a rule begins after its lower bound and ends after its upper one; a rule that is
    not among them stands throughout.
    """
    turned: dict[int, int] = {}
    mask = everything
    for place, above, at_most in bounds:
        if above is not None:
            mask &= ~(1 << place)
        for bound in (above, at_most):
            if bound is not None:
                turned[bound] = turned.get(bound, 0) ^ 1 << place
    masks = [mask]
    for bound in sorted(turned):
        mask ^= turned[bound]
        masks.append(mask)
    return _Ranges(tuple(sorted(turned)), tuple(masks))


def _hours(rules: tuple[Rule, ...]) -> tuple[tuple[Hours, int], ...]:
    found: dict[Hours, int] = {}
    for place, rule in enumerate(rules):
        if rule.when.hours is not None:
            found[rule.when.hours] = found.get(rule.when.hours, 0) | 1 << place
    return tuple(found.items())

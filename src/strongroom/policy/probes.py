"""Payments to try a policy with: one of each sort that its rules could tell apart. Pure.

Every range of amounts has a payment in it; every list a name in it and one outside. People,
destinations and moments that no rule can tell apart are tried once.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from strongroom.policy.words import grouped
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import Amount, Asset
from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.facts import NO_HISTORY, Facts, History, Used
from strongroom_protocol.hours import Hours
from strongroom_protocol.mandates import Spending
from strongroom_protocol.rules import OWN_WALLETS, Over, Screening

PROBES_MAX: Final = 20_000
VAULT_STAND_IN: Final = Address(b"\xff" * 20)
"""The vault's address, where it does not matter which it is."""
_WEEK_SECONDS: Final = 7 * 86_400
_STEP_SECONDS: Final = 15 * 60
"""Time zones differ by quarters of an hour; hours of the day are read to the minute below."""
_MUCH: Final = 2**200


class Spendthrift:
    """An organisation that has paid beyond every bound in each window."""

    def used(self, over: Over, facts: Facts) -> Used:  # noqa: ARG002  (the protocol's form)
        """More than any rule allows for."""
        return Used(_MUCH, _MUCH, _MUCH)


@dataclass(frozen=True, slots=True)
class Probe:
    """One payment without approvers; `busy`: much was paid in every window before."""

    facts: Facts
    busy: bool

    def words(self, bundle: Bundle) -> str:
        """`5,000 USDC from the vault to Supplier, ordered by Ines`."""
        facts = self.facts
        label = next(
            (one.label for one in bundle.address_book if one.address == facts.destination),
            "a wallet of its own",
        )
        who = next((one.name for one in bundle.people if one.id == facts.initiator), "nobody")
        source = "the vault" if facts.wallet is None else checksum(facts.wallet)
        amount = grouped(Amount(facts.units, Asset(facts.asset)))
        before = ", after much was paid before" if self.busy else ""
        return f"{amount} from {source} to {label}, ordered by {who}{before}"


@dataclass(frozen=True, slots=True)
class Probes:
    """All of them; not `whole` when there are more sorts than PROBES_MAX."""

    probes: tuple[Probe, ...]
    whole: bool


def probes_of(bundle: Bundle, now: int, *, initiators: Iterable[Person] | None = None) -> Probes:
    """Payments of every sort that the rules of this bundle tell apart, `now` (Unix seconds)
    being the week that is looked at.
    """
    found: list[Probe] = []
    people = _one_a_kind(bundle) if initiators is None else list(initiators)
    for facts in _facts(bundle, people, moments(bundle, now)):
        for busy, history in _histories(bundle):
            if len(found) >= PROBES_MAX:
                return Probes(tuple(found), whole=False)
            found.append(Probe(replace(facts, history=history), busy))
    return Probes(tuple(found), whole=True)


def kind_of(bundle: Bundle, person: Person) -> Hashable:
    """People of one kind are the same to every rule, to the vault and to the address book."""
    named = tuple(
        person.id in rule.when.initiators for rule in bundle.rules if rule.when.initiators
    )
    control = bundle.control
    # Whoever is somebody's deputy, or has one, is a kind of one.
    alone = {one.person for one in bundle.deputies} | {one.deputy for one in bundle.deputies}
    return (
        frozenset(person.roles),
        person.department,
        named,
        person.address in control.owners,
        person.address in control.freezers,
        person.id if person.id in alone else None,
    )


def moments(bundle: Bundle, now: int) -> list[int]:
    """One moment of the coming week for each set of business hours that can hold at once."""
    hours = list(dict.fromkeys(r.when.hours for r in bundle.rules if r.when.hours is not None))
    if not hours:
        return [now]
    found: dict[tuple[bool, ...], int] = {}
    for moment in sorted({now, *_turns(hours, now)}):
        found.setdefault(tuple(one.hold(moment) for one in hours), moment)
    return list(found.values())


def _turns(hours: list[Hours], now: int) -> Iterator[int]:
    """Moments on both sides of every turn of these hours in a week."""
    minutes = {minute % 15 for one in hours for minute in (one.from_minute, one.until_minute)}
    first = now - now % _STEP_SECONDS
    for quarter in range(first, first + _WEEK_SECONDS, _STEP_SECONDS):
        for minute in minutes | {0}:
            yield quarter + minute * 60


def _facts(bundle: Bundle, people: list[Person], times: list[int]) -> Iterator[Facts]:
    values = _values(bundle)
    for token in bundle.tokens:
        asset = token.asset
        for source in _sources(bundle, asset):
            amounts = _amounts(bundle, asset, source)
            places = _destinations(bundle, source)
            sorts = product(people, places, amounts, values, times, _screenings(bundle))
            for person, place, units, value, moment, screening in sorts:
                yield Facts(
                    initiator=person.id,
                    asset=asset.code,
                    units=units,
                    destination=place,
                    now=moment,
                    wallet=None if source is None else source.address,
                    vault=VAULT_STAND_IN,
                    screening=screening,
                    value_units=value,
                )


def _one_a_kind(bundle: Bundle) -> list[Person]:
    found: dict[Hashable, Person] = {}
    for person in bundle.people:
        if "initiator" in person.roles:
            found.setdefault(kind_of(bundle, person), person)
    return list(found.values())


def _sources(bundle: Bundle, asset: Asset) -> list[Spending | None]:
    return [None, *(key for key in bundle.spending if key.limit_of(asset) is not None)]


def _destinations(bundle: Bundle, source: Spending | None) -> list[Address]:
    """One of each sort: with the same tags, named by the same rules."""
    found: dict[Hashable, Address] = {}
    tags = {tag for rule in bundle.rules for tag in rule.when.tags or ()}
    lists = [r.when.destinations for r in bundle.rules if isinstance(r.when.destinations, tuple)]
    for entry in bundle.address_book:
        listed = tuple(entry.address in one for one in lists)
        found.setdefault((frozenset(entry.tags) & tags, listed), entry.address)
    if any(rule.when.destinations in (None, OWN_WALLETS) for rule in bundle.rules) or lists:
        own = [key.address for key in bundle.spending] + [VAULT_STAND_IN]
        payer = VAULT_STAND_IN if source is None else source.address
        for address in own:
            if address != payer:
                found.setdefault(("own", address), address)
    return list(found.values())


def _amounts(bundle: Bundle, asset: Asset, source: Spending | None) -> list[int]:
    limits = [bundle.limit_of(asset), None if source is None else source.limit_of(asset)]
    most = min(min(one.per_payment_units, one.per_day_units) for one in limits if one is not None)
    bounds = {most}
    for rule in bundle.rules:
        if rule.when.assets is not None and asset.code in rule.when.assets:
            bounds |= {
                bound
                for bound in (
                    rule.when.units_above,
                    rule.when.units_at_most,
                    *(over.units_above for over in rule.when.over),
                )
                if bound is not None
            }
    # Ranges are above one bound and at most the next, so that a payment on each bound meets all.
    return sorted(units for units in bounds if 0 < units <= most)


def _values(bundle: Bundle) -> list[int | None]:
    bounds: set[int] = set()
    for rule in bundle.rules:
        given = (rule.when.value_above, rule.when.value_at_most)
        bounds |= {bound for bound in given if bound is not None}
        bounds |= {over.value_above for over in rule.when.over if over.value_above is not None}
    if not bounds:
        return [None]
    return [None, *sorted({value for bound in bounds for value in (bound, bound + 1)})]


def _screenings(bundle: Bundle) -> list[Screening]:
    named = [one for rule in bundle.rules for one in rule.when.screening or ()]
    return list(dict.fromkeys(["clear", *named]))


def _histories(bundle: Bundle) -> list[tuple[bool, History]]:
    if any(rule.when.over for rule in bundle.rules):
        return [(False, NO_HISTORY), (True, Spendthrift())]
    return [(False, NO_HISTORY)]

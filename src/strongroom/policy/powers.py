"""What people could do together, for good or ill: pay out, change the policy, leave with all.

Pure. It asks the very rules that the signer runs, and adds what signer and chain demand beside
them: that those who approve a payment of the vault are its owners.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from strongroom.policy.collusion import TRIES_MAX, Smallest, smallest_set
from strongroom.policy.probes import Probe, Probes, kind_of, probes_of
from strongroom.policy.words import grouped
from strongroom_protocol.addresses import Address
from strongroom_protocol.amounts import Amount, Asset
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.evidence import may_approve
from strongroom_protocol.policy import Verdict, evaluate

EXIT_DAYS: Final = 7
Progress = Callable[[int, int, str], None]
"""Told how much is done, of how much, and what is being done."""


def quiet(done: int, of: int, what: str) -> None:
    """Nobody is told."""
    del done, of, what


@dataclass(frozen=True, slots=True)
class Power:
    """What the smallest set could do; `needs` None: nobody can, not even all together."""

    what: str
    needs: Smallest
    words: str

    @property
    def names(self) -> str:
        """`Anna, Ben`; empty when nobody can."""
        return ", ".join(self.needs.people or ())


def verdict_of(bundle: Bundle, probe: Probe, people: frozenset[str]) -> Verdict:
    """What is said when all of these approve who may (never the initiator: the rules see to
    that): of the vault, its owners alone.
    """
    facts = probe.facts
    owners = bundle.control.owners
    approvers = frozenset(
        one.id
        for one in bundle.people
        if one.id in people
        and (facts.wallet is not None or one.address in owners)
        and may_approve(bundle, one, facts.now)
    )
    return evaluate(bundle, replace(facts, approvers=approvers))


def sort_of(bundle: Bundle, probe: Probe) -> Hashable:
    """Payments of one sort can be ordered and approved by the same people; None: it is denied."""
    verdict = evaluate(bundle, probe.facts)
    if verdict.kind == "denied":
        return None
    asked = frozenset(demand.paths for demand in verdict.required)
    moment = probe.facts.now if bundle.deputies else 0
    return probe.facts.initiator, asked, probe.facts.wallet is None, moment


def powers(
    bundle: Bundle,
    now: int,
    *,
    tries_max: int = TRIES_MAX,
    progress: Progress = quiet,
) -> list[Power]:
    """Of each asset the smallest set that could pay it out, then the sets that could change who
    decides. Payments are to any entry of the book: some payee may be in league.
    """
    kinds = {person.id: kind_of(bundle, person) for person in bundle.people}
    probes = probes_of(bundle, now)
    found = []
    for i, token in enumerate(bundle.tokens):
        progress(i, len(bundle.tokens), f"who could pay out {token.asset.symbol}")
        drains = _Drains(bundle, probes, token.asset, kinds)
        needs = smallest_set(kinds, drains.can, tries_max=tries_max)
        found.append(Power(f"drain:{token.asset.code}", needs, drains.words(needs)))
    return found + _governing(bundle)


Sorts = dict[Hashable, list[Probe]]


class _Drains:
    """Whether a set of people can get an asset out of the vault, straight or by a hot key."""

    def __init__(
        self, bundle: Bundle, probes: Probes, asset: Asset, kinds: Mapping[str, Hashable]
    ) -> None:
        self._bundle, self._asset, self._whole = bundle, asset, probes.whole
        self._kinds = kinds
        own = [key.address for key in bundle.spending]
        payees = {entry.address for entry in bundle.address_book} - set(own)
        self._out: Sorts = {}
        self._to: dict[Address, Sorts] = {address: {} for address in own}
        self._from: dict[Address, Sorts] = {address: {} for address in own}
        for probe in probes.probes:
            facts = probe.facts
            if facts.asset != asset.code or facts.screening != "clear":
                continue
            way = None
            if facts.destination in payees:
                way = self._out if facts.wallet is None else self._from[facts.wallet]
            elif facts.wallet is None:
                way = self._to.get(facts.destination)
            if way is not None and (sort := sort_of(bundle, probe)) is not None:
                way.setdefault(sort, []).append(probe)

    def can(self, people: frozenset[str]) -> bool:
        """Whether this set of people can."""
        if self._able(self._out, people):
            return True
        return any(
            self._able(to_key, people) and self._able(self._from[key], people)
            for key, to_key in self._to.items()
        )

    def words(self, needs: Smallest) -> str:
        """Who, how much, and what the search did not look at."""
        limit = self._bundle.limit_of(self._asset)
        if needs.people is None or limit is None:
            return f"Nobody can pay out {self._asset.symbol}, not even all together."
        a_day = grouped(Amount(limit.per_day_units, self._asset))
        sentence = (
            f"{_named(self._bundle, needs)} could pay out {self._asset.symbol} to any payee in the "
            f"address book: at most {self._most(frozenset(needs.people))} in one payment and "
            f"{a_day} in a day."
        )
        over = [rule.id for rule in self._bundle.rules if rule.when.over]
        if over:
            sentence += f" Once much was paid, {', '.join(over)} may ask for more people."
        if not needs.exact:
            sentence += (
                f" The search was cut short: fewer than {needs.at_least} can't, a smaller set than "
                "this one may exist."
            )
        if not self._whole:
            sentence += " Not every sort of payment was tried."
        return sentence

    def _most(self, people: frozenset[str]) -> str:
        """The largest payment that they could make, of those tried; where rules ask for the value,
        the highest value.
        """
        ways = [self._out]
        ways += [self._from[key] for key, to_key in self._to.items() if self._able(to_key, people)]
        able = [one.facts for way in ways for one in self._able(way, people)]
        most = Amount(max((facts.units for facts in able), default=0), self._asset)
        values = [facts.value_units for facts in able if facts.value_units is not None]
        rates = self._bundle.rates
        if rates is None or not values or len(values) < len(able):
            return grouped(most)
        return f"{grouped(most)}, if worth at most {grouped(Amount(max(values), rates.currency))},"

    def _able(self, way: Sorts, people: frozenset[str]) -> list[Probe]:
        """The payments of this way that they can make."""
        return [one for alike in way.values() if self._one(alike[0], people) for one in alike]

    def _one(self, probe: Probe, people: frozenset[str]) -> bool:
        """Ordered by whoever of these is of the probe's kind."""
        kind = self._kinds[probe.facts.initiator]
        initiator = min((one for one in people if self._kinds[one] == kind), default=None)
        if initiator is None:
            return False
        ordered = replace(probe, facts=replace(probe.facts, initiator=initiator))
        return verdict_of(self._bundle, ordered, people).kind == "allowed"


def _governing(bundle: Bundle) -> list[Power]:
    """Sets that decide who decides: they need no rule's leave."""
    control = bundle.control
    administrators = {one.id for one in bundle.people if "administrator" in one.roles}
    owners = {one.id for one in bundle.people if one.address in control.owners}
    quorum, threshold = bundle.administrator_quorum, control.threshold
    policy = _at_least(administrators, quorum)
    vault = _at_least(owners, threshold)
    return [
        Power(
            "change_policy",
            policy,
            f"Any {quorum} of {len(administrators)} administrators can change this policy, for "
            f"example {_named(bundle, policy)}; new destinations cool for a day, and the vault on "
            "chain changes only by its owners, two days after they announced it.",
        ),
        Power(
            "leave",
            vault,
            f"Any {threshold} of {len(owners)} owners can leave with everything, for example "
            f"{_named(bundle, vault)}: no rule and no key of the custodian's stops them, but "
            f"they must announce it on chain {EXIT_DAYS} days before, for all to see.",
        ),
    ]


def _at_least(members: set[str], minimum: int) -> Smallest:
    chosen = tuple(sorted(members)[:minimum]) if len(members) >= minimum else None
    return Smallest(chosen, exact=True, at_least=minimum, tried=1)


def _named(bundle: Bundle, needs: Smallest) -> str:
    names = {person.id: person.name for person in bundle.people}
    listed = [names[one] for one in needs.people or ()]
    if len(listed) < 2:
        return "".join(listed) or "nobody"
    return f"{', '.join(listed[:-1])} and {listed[-1]}"

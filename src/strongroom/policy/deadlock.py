"""What can never be approved, and what no longer could if one person went. Pure.

A person who goes signs nothing any more; the policy stays as it is until the others change it.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from strongroom.policy.powers import Progress, quiet, sort_of, verdict_of
from strongroom.policy.probes import Probe, kind_of, probes_of
from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.facts import Facts

What = Literal["payments", "policy", "vault", "order"]


@dataclass(frozen=True, slots=True)
class Deadlock:
    """What is stuck: payments of some sorts, the policy, the vault, or ordering at all; `without`
    is the id of whoever has gone, None = it is stuck as it is.
    """

    what: What
    without: str | None
    words: str


def deadlocks(bundle: Bundle, now: int, *, progress: Progress = quiet) -> list[Deadlock]:
    """Everything that is stuck, or would be after any one person has gone."""
    cells = _Cells(bundle, now)
    found = cells.never() + _governing(bundle, None)
    people = _one_a_kind(bundle)
    for i, person in enumerate(people):
        progress(i, len(people), f"what if {person.name} goes")
        found += cells.without(person) + _governing(bundle, person)
    return found


class _Cells:
    """Sorts of payments, each with whoever may order it."""

    def __init__(self, bundle: Bundle, now: int) -> None:
        self._bundle = bundle
        self._everybody = frozenset(person.id for person in bundle.people)
        self._kinds = {person.id: kind_of(bundle, person) for person in bundle.people}
        self._cells = self._grouped(probes_of(bundle, now).probes)

    def _grouped(self, probes: Iterable[Probe]) -> list[tuple[list[Probe], int]]:
        """Cells that ask for the same people, one for all, and how many they are."""
        cells: dict[Hashable, list[Probe]] = {}
        for probe in probes:
            cells.setdefault(_cell_of(probe.facts, probe.busy), []).append(probe)
        alike: dict[Hashable, list[list[Probe]]] = {}
        for cell in cells.values():
            sorts = frozenset(sort_of(self._bundle, probe) for probe in cell)
            alike.setdefault(sorts, []).append(cell)
        return [(found[0], len(found)) for found in alike.values()]

    def never(self) -> list[Deadlock]:
        """Sorts that somebody may order and nobody can get approved."""
        stuck: dict[str, tuple[Probe, int]] = {}
        for probes, count in self._cells:
            missing = self._missing(probes, self._everybody)
            if missing is not None:
                first, before = stuck.get(missing, (probes[0], 0))
                stuck[missing] = (first, before + count)
        return [
            Deadlock(
                "payments",
                None,
                f"Payments like {probe.words(self._bundle)} can never be approved: even when "
                f"everybody who may has signed, {missing} "
                f"{'is' if missing.startswith('1 ') else 'are'} missing "
                f"({_sorts(count)}).",
            )
            for missing, (probe, count) in stuck.items()
        ]

    def without(self, person: Person) -> list[Deadlock]:
        """Sorts that could be approved, and could not after this person has gone."""
        rest = self._everybody - {person.id}
        alive = [
            (probes, count)
            for probes, count in self._cells
            if self._allowed(probes, self._everybody) is not None
        ]
        lost = [one for one in alive if self._allowed(one[0], rest) is None]
        if not lost:
            return []
        example = lost[0][0][0].words(self._bundle)
        who = f"If {person.name} goes"
        if len(lost) == len(alive) and not self._initiators(rest):
            return [Deadlock("order", person.id, f"{who}, nobody is left who may order payments.")]
        sorts = _sorts(sum(count for _, count in lost))
        words = f"{who}, payments like {example} can't be approved any more ({sorts})."
        return [Deadlock("payments", person.id, words)]

    def _allowed(self, probes: Iterable[Probe], people: frozenset[str]) -> Probe | None:
        """A payment of this sort that these people can order and approve."""
        for probe in probes:
            ordered = self._by_somebody(probe, people)
            if ordered is not None:
                verdict = verdict_of(self._bundle, ordered, people)
                if verdict.kind == "allowed":
                    return ordered
        return None

    def _missing(self, probes: Iterable[Probe], people: frozenset[str]) -> str | None:
        """What lacks in the best of them; None when one is allowed, or all are denied."""
        words = None
        for probe in probes:
            verdict = verdict_of(self._bundle, probe, people)
            if verdict.kind == "allowed":
                return None
            if verdict.kind == "awaiting_approvals" and words is None:
                words = " and ".join(demand.sentence() for demand in verdict.missing)
        return words

    def _by_somebody(self, probe: Probe, people: frozenset[str]) -> Probe | None:
        """The same payment, ordered by one of these people of the same kind."""
        kind = self._kinds[probe.facts.initiator]
        alike = [one for one in sorted(people) if self._kinds[one] == kind]
        if not alike:
            return None
        return replace(probe, facts=replace(probe.facts, initiator=alike[0]))

    def _initiators(self, people: frozenset[str]) -> list[Person]:
        return [one for one in self._bundle.people if one.id in people and "initiator" in one.roles]


def _governing(bundle: Bundle, gone: Person | None) -> list[Deadlock]:
    """Whether enough administrators and owners are left."""
    left = [person for person in bundle.people if person != gone]
    administrators = sum("administrator" in person.roles for person in left)
    owners = sum(person.address in bundle.control.owners for person in left)
    without = None if gone is None else gone.id
    who = "As it is" if gone is None else f"If {gone.name} goes"
    found: list[Deadlock] = []
    if administrators < bundle.administrator_quorum:
        words = (
            f"{who}, {administrators} administrators are left and {bundle.administrator_quorum} "
            "must sign: the policy can't be changed any more."
        )
        found.append(Deadlock("policy", without, words))
    if owners < bundle.control.threshold:
        words = (
            f"{who}, {owners} owners of the vault are left and {bundle.control.threshold} must "
            "sign: its money can't be moved any more, not even by leaving."
        )
        found.append(Deadlock("vault", without, words))
    return found


def _one_a_kind(bundle: Bundle) -> list[Person]:
    """One person of each kind whose going could matter: who signs anything."""
    found: Mapping[Hashable, Person] = {
        kind_of(bundle, person): person
        for person in reversed(bundle.people)
        if person.address is not None
    }
    return sorted(found.values(), key=lambda person: person.id)


def _cell_of(facts: Facts, busy: bool) -> Hashable:
    """A sort of payment, whoever orders it."""
    return (
        facts.asset,
        facts.units,
        facts.destination,
        facts.now,
        facts.wallet,
        facts.screening,
        facts.value_units,
        busy,
    )


def _sorts(count: int) -> str:
    return "one sort of payment" if count == 1 else f"{count} sorts of payments"

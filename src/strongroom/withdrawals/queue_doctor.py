"""What is wrong with a vault's queue of numbered transactions, and the least that mends it. Pure.

A Safe executes its transactions by number, one after the other. A number that the chain has used is
dead for whatever else was signed for it; two things with one number exclude each other; a signature
of somebody who counts no more is stale. A transaction that waits is cancelled by the mined
rejection of its number and by nothing else.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from strongroom.policy.collusion import smallest_set

Kind = Literal["payment", "rejection", "change"]
Finding = Literal["dead", "conflict", "gap", "stale_signatures", "cancelling", "nobody_left"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something signed, or to be signed, for a number. `signed`: ids of people whose signature
    counts; `stale`: of those whose counts no more; `able`: who could still sign, each with what
    tells them apart; `enough`: whether the signatures suffice with those of more people.
    """

    name: str
    kind: Kind
    nonce: int
    state: str
    signed: tuple[str, ...]
    stale: tuple[str, ...]
    able: Mapping[str, Hashable]
    enough: Callable[[frozenset[str]], bool]
    batch: str | None = None
    """Entries of one batch share their number, and do not exclude each other."""

    def least(self, among: Iterable[str]) -> tuple[str, ...] | None:
        """The fewest of these people who complete it; None: not even all of them."""
        kinds = {one: self.able[one] for one in among if one in self.able}
        return smallest_set(kinds, self.enough).people


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong, and what to do."""

    finding: Finding
    nonce: int
    names: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Resign:
    """Who signs an entry, so that it has all that it needs."""

    name: str
    kind: Kind
    nonce: int
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`next_nonce`: the number that the chain executes next, as far as it is known. `people`: the
    smallest set who, between them, can give every signature that is missing; `resign`: who of them
    signs what.
    """

    next_nonce: int
    known_from: str
    entries: tuple[Entry, ...]
    complaints: tuple[Complaint, ...]
    people: tuple[str, ...]
    resign: tuple[Resign, ...]


def diagnose(next_nonce: int, known_from: str, entries: Iterable[Entry]) -> Diagnosis:
    """Look at a vault's open entries. `known_from`: where the number comes from, in words."""
    ordered = tuple(sorted(entries, key=lambda one: (one.nonce, one.kind, one.name)))
    live = [one for one in ordered if one.nonce >= next_nonce]
    complaints = (
        *_dead(next_nonce, ordered),
        *_conflicts(live),
        *_gaps(next_nonce, live),
        *_stale(live),
        *_waiting(live),
    )
    people, resign = _resign(live)
    return Diagnosis(next_nonce, known_from, ordered, complaints, people, resign)


def _dead(next_nonce: int, entries: Sequence[Entry]) -> Iterator[Complaint]:
    for one in entries:
        if one.nonce < next_nonce:
            yield Complaint(
                "dead",
                one.nonce,
                (one.name,),
                f"{one.name}: number {one.nonce} is used on chain, so this {one.kind} can never be "
                "executed any more. Once the block is final its money is free or paid; order it "
                "again if it was not paid.",
            )


def _conflicts(live: Sequence[Entry]) -> Iterator[Complaint]:
    """Two things for one number: only one of them can ever be executed."""
    for nonce in sorted({one.nonce for one in live}):
        rivals = [one for one in live if one.nonce == nonce]
        if len({(one.kind, one.batch or one.name) for one in rivals}) > 1:
            names = tuple(f"{one.kind} {one.name}" for one in rivals)
            yield Complaint(
                "conflict",
                nonce,
                tuple(one.name for one in rivals),
                f"Number {nonce} is wanted by {' and '.join(names)}: whichever is mined first ends "
                "the others.",
            )


def _gaps(next_nonce: int, live: Sequence[Entry]) -> Iterator[Complaint]:
    taken = {one.nonce for one in live}
    for nonce in range(next_nonce, max(taken, default=next_nonce)):
        if nonce not in taken:
            behind = tuple(one.name for one in live if one.nonce > nonce)
            yield Complaint(
                "gap",
                nonce,
                behind,
                f"Nothing is open for number {nonce}, and {', '.join(behind)} can't be executed "
                "before it is used. Withdraw what stands behind it and order it again.",
            )
            return


def _stale(live: Sequence[Entry]) -> Iterator[Complaint]:
    for one in live:
        if one.stale:
            yield Complaint(
                "stale_signatures",
                one.nonce,
                (one.name,),
                f"{one.name}: the signatures of {', '.join(one.stale)} count no more; others sign "
                "instead.",
            )


def _waiting(live: Sequence[Entry]) -> Iterator[Complaint]:
    for one in live:
        lacking = one.least(one.able)
        if lacking is None:
            yield Complaint(
                "nobody_left",
                one.nonce,
                (one.name,),
                f"{one.name}: not even everybody who may still sign this {one.kind} is enough. "
                "Withdraw it, and change the policy.",
            )
        elif lacking and one.kind == "rejection":
            yield Complaint(
                "cancelling",
                one.nonce,
                (one.name,),
                f"{one.name}: it is cancelled once the rejection of number {one.nonce} is mined; "
                f"{len(lacking)} more of the owners sign it.",
            )


def _resign(live: Sequence[Entry]) -> tuple[tuple[str, ...], tuple[Resign, ...]]:
    """The smallest set of people for everything that is live and can be completed."""
    needy = [one for one in live if one.least(one.able)]
    everybody = sorted({person for one in needy for person in one.able})
    kinds = {person: tuple(one.able.get(person) for one in needy) for person in everybody}

    def enough(people: frozenset[str]) -> bool:
        return all(one.enough(people & frozenset(one.able)) for one in needy)

    people = smallest_set(kinds, enough).people or ()
    found = tuple(Resign(one.name, one.kind, one.nonce, one.least(people) or ()) for one in needy)
    return people, found

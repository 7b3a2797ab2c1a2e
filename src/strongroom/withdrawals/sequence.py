"""Who is still needed for a withdrawal, and whose turn it is. Pure.

Rules ask by paths of groups, one after the other. A person is asked to wait only while the
signature would fill a later group and no present one; where two rules name the same people in
another order, whoever is next in one of them may sign, so that nobody waits for each other; and
nobody waits for a path that all people together can't fill.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.consent import Demand, approving, remaining, standing
from strongroom_protocol.rules import Group, Path


@dataclass(frozen=True, slots=True)
class GroupNeed:
    """`missing` of the group's people; `people`: ids of those who could be them and have not
    signed; `is_next`: it is this group's turn.
    """

    sentence: str
    missing: int
    people: tuple[str, ...]
    is_next: bool


@dataclass(frozen=True, slots=True)
class Need:
    """What one rule (or the wallet itself, "threshold") still asks for: any one of the paths."""

    rule_id: str
    paths: tuple[tuple[GroupNeed, ...], ...]
    is_met: bool


@dataclass(frozen=True, slots=True)
class Round:
    """An order's approvals so far: who signed, and who may."""

    bundle: Bundle
    initiator: str
    signed: frozenset[str]
    able: tuple[Person, ...]
    """Whose signature counts for this wallet at all, without the initiator."""
    now: int

    def lacking(self, path: Path, *more: str) -> tuple[int, ...]:
        """How many people each group lacks, with more signatures."""
        ids = self.signed.union(more)
        return remaining(path, approving(self.bundle, ids, self.initiator, self.now))

    def open_paths(self, demand: Demand) -> tuple[Path, ...]:
        """Those that can still be filled, if everybody signs."""
        everybody = tuple(one.id for one in self.able)
        return tuple(path for path in demand.paths if not any(self.lacking(path, *everybody)))

    def with_more(self, people: frozenset[str]) -> "Round":
        """As if these had signed, too."""
        return replace(self, signed=self.signed | people)

    def open_to(self) -> tuple[Person, ...]:
        """Those who may sign and have not."""
        return tuple(one for one in self.able if one.id not in self.signed)


def needs(demands: Iterable[Demand], found: Round) -> tuple[Need, ...]:
    """What each demand still lacks, group by group."""
    return tuple(_need(demand, found) for demand in demands)


def may_sign_now(demands: Iterable[Demand], found: Round) -> tuple[Person, ...]:
    """Those whose signature would fill a group whose turn it is."""
    unmet = [one for one in demands if not _is_met(one, found)]
    return tuple(
        one for one in found.open_to() if any(_helps(demand, found, one) for demand in unmet)
        and too_early(unmet, found, one) is None
    )  # fmt: skip


def too_early(demands: Iterable[Demand], found: Round, person: Person) -> str | None:
    """Why this person's signature is not asked for yet, in words; None: it may come now."""
    waits: str | None = None
    for demand in demands:
        if _is_met(demand, found) or all(len(path) == 1 for path in found.open_paths(demand)):
            continue
        if _helps(demand, found, person):
            return None
        waits = waits or _waits(demand, found, person)
    return waits


def _need(demand: Demand, found: Round) -> Need:
    met = _is_met(demand, found)
    return Need(demand.rule_id, tuple(tuple(_groups(path, found)) for path in demand.paths), met)


def _groups(path: Path, found: Round) -> Iterator[GroupNeed]:
    lacking = found.lacking(path)
    turn = _turn(lacking)
    for place, (group, missing) in enumerate(zip(path, lacking, strict=True)):
        people = tuple(one.id for one in found.open_to() if _fits(group, found, one))
        yield GroupNeed(group.sentence(), missing, people if missing else (), place == turn)


def _fits(group: Group, found: Round, person: Person) -> bool:
    others = found.signed | {found.initiator}
    return any(
        group.fits(one.roles, one.department)
        for one in standing(found.bundle, person, found.now)
        if one.id == person.id or one.id not in others
    )


def _is_met(demand: Demand, found: Round) -> bool:
    return any(not any(found.lacking(path)) for path in demand.paths)


def _turn(lacking: tuple[int, ...]) -> int | None:
    return next((place for place, missing in enumerate(lacking) if missing), None)


def _helps(demand: Demand, found: Round, person: Person) -> bool:
    """Whether the signature fills the group whose turn it is, on any path."""
    for path in found.open_paths(demand):
        before = found.lacking(path)
        turn = _turn(before)
        if turn is not None and found.lacking(path, person.id)[turn] < before[turn]:
            return True
    return False


def _waits(demand: Demand, found: Round, person: Person) -> str | None:
    """If the signature would fill a later group: whom it waits for."""
    for path in found.open_paths(demand):
        before = found.lacking(path)
        if found.lacking(path, person.id) != before:
            first = next(one for one in _groups(path, found) if one.is_next)
            return (
                f"It is not {person.name}'s turn yet: rule {demand.rule_id} first asks for "
                f"{first.sentence}, and {first.missing} of them is still to sign."
            )
    return None

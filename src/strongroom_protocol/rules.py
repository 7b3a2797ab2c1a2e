"""The rules of a policy bundle: what they match, what they ask for. Pure data and its reading.

A rule's conditions must all hold; what a list names are alternatives. `approvals` are paths of
groups: any one path is enough, all of its groups are needed, with different people.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.documents import Members, check_distinct, text_at
from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.hours import Hours, hours_document, read_hours
from strongroom_protocol.structures import address_at
from strongroom_protocol.windows import BUCKET_SECONDS, WINDOW_SECONDS_MAX

T = TypeVar("T")
Outcome = Literal["deny", "allow", "approvals"]
Places = Literal["address_book", "own_wallets"]
Per = Literal["organisation", "initiator", "source", "destination"]
Screening = Literal["clear", "review", "unknown"]
ADDRESS_BOOK: Places = "address_book"
OWN_WALLETS: Places = "own_wallets"
VAULT: Literal["vault"] = "vault"
_OUTCOMES: dict[str, Outcome] = {"deny": "deny", "allow": "allow", "approvals": "approvals"}
_PLACES: dict[str, Places] = {ADDRESS_BOOK: ADDRESS_BOOK, OWN_WALLETS: OWN_WALLETS}
_PERS: dict[str, Per] = {
    "organisation": "organisation", "initiator": "initiator", "source": "source",
    "destination": "destination",
}  # fmt: skip
_SCREENINGS: dict[str, Screening] = {"clear": "clear", "review": "review", "unknown": "unknown"}
_MEASURES = frozenset({"units_above", "value_above", "count_above"})
_CONDITIONS = frozenset(
    {"initiators", "departments", "sources", "destinations", "tags", "assets", "hours", "over"}
    | {"units_above", "units_at_most", "value_above", "value_at_most", "screening"}
)
# An approver's signature is the only one that counts, so a group names approvers, or those of
# them who have another role too.
GROUP_ROLES = frozenset({"approver", "administrator", "initiator", "compliance"})
RULES_MAX = 1_000
PATHS_MAX = 8
# Whether a path is complete costs 2^groups steps.
GROUPS_MAX = 6
PEOPLE_MAX = 100
LISTED_MAX = 1_000
OVER_MAX = 16


@dataclass(frozen=True, slots=True)
class Group:
    """`minimum` different people with a role, of one department or (None) of any."""

    role: str
    department: str | None
    minimum: int

    def fits(self, roles: tuple[str, ...], department: str | None) -> bool:
        """Whether a person with these counts."""
        return self.role in roles and self.department in (None, department)

    def sentence(self) -> str:
        """`2 approvers of finance`."""
        plural = "" if self.minimum == 1 or self.role == "compliance" else "s"
        of = f" of {self.department}" if self.department else ""
        return f"{self.minimum} {self.role}{plural}{of}"


# All of the groups, in the order in which the API asks for them.
Path = tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Over:
    """More than so much within a window, this payment included; one of the three is not None.

    `window_seconds` is a multiple of three hours. Units are of the rule's one asset, values in
    minor units of the bundle's rates.
    """

    window_seconds: int
    per: Per
    units_above: int | None = None
    value_above: int | None = None
    count_above: int | None = None


@dataclass(frozen=True, slots=True)
class When:
    """Conditions, all of which must hold; None = does not matter. Units are of the one asset,
    values in minor units of the bundle's rates; `departments` are the initiator's, `tags` those of
    the destination's entry in the address book.
    """

    initiators: tuple[str, ...] | None = None
    departments: tuple[str, ...] | None = None
    sources: tuple[Literal["vault"] | Address, ...] | None = None
    destinations: Places | tuple[Address, ...] | None = None
    tags: tuple[str, ...] | None = None
    assets: tuple[str, ...] | None = None
    units_above: int | None = None
    units_at_most: int | None = None
    value_above: int | None = None
    value_at_most: int | None = None
    over: tuple[Over, ...] = ()
    hours: Hours | None = None
    screening: tuple[Screening, ...] | None = None

    @property
    def asks_value(self) -> bool:
        """Whether it needs to know what a payment is worth."""
        bounds = (self.value_above, self.value_at_most, *(one.value_above for one in self.over))
        return any(bound is not None for bound in bounds)


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to payments that match; `approvals` only with verdict "approvals"."""

    id: str
    verdict: Outcome
    when: When
    approvals: tuple[Path, ...] = ()


def parse_rule(value: object, path: str) -> Rule:
    """A rule that makes sense by itself; raises FieldInvalid, AddressInvalid, with the path."""
    members = Members(value, path, {"id", "verdict", "when"}, frozenset({"approvals"}))
    verdict = _OUTCOMES[members.choice("verdict", frozenset(_OUTCOMES))]
    if ("approvals" in members) != (verdict == "approvals"):
        raise members.fail("approvals", "must be there exactly if the verdict is approvals")
    paths = _some(members, "approvals", _path, PATHS_MAX) or ()
    return Rule(members.text("id", 64), verdict, members.part("when", _when), paths)


def rule_document(rule: Rule) -> dict[str, Any]:
    """The JSON that `parse_rule` reads; conditions that do not matter are left out."""
    document: dict[str, Any] = {
        "id": rule.id,
        "verdict": rule.verdict,
        "when": _when_document(rule.when),
    }
    if rule.approvals:
        document["approvals"] = [
            [
                {"role": group.role, "department": group.department, "minimum": group.minimum}
                for group in path
            ]
            for path in rule.approvals
        ]
    return document


def _path(value: object, path: str) -> Path:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= GROUPS_MAX:
        raise FieldInvalid(f"{path}: must be a list of 1 to {GROUPS_MAX} groups")
    groups = tuple(_group(item, f"{path}[{i}]") for i, item in enumerate(value))
    if sum(group.minimum for group in groups) > PEOPLE_MAX:
        raise FieldInvalid(f"{path}: asks for more than {PEOPLE_MAX} people")
    return groups


def _group(value: object, path: str) -> Group:
    members = Members(value, path, {"role", "department", "minimum"})
    role = members.choice("role", GROUP_ROLES)
    department = members.text_or_none("department")
    return Group(role, department, members.integer("minimum", 1, PEOPLE_MAX))


def _when(value: object, path: str) -> When:
    members = Members(value, path, set(), _CONDITIONS)
    when = When(
        initiators=_distinct(members, "initiators", text_at),
        departments=_distinct(members, "departments", text_at),
        sources=_distinct(members, "sources", _source),
        destinations=_destinations(members),
        tags=_distinct(members, "tags", text_at),
        assets=_distinct(members, "assets", text_at),
        units_above=_units(members, "units_above"),
        units_at_most=_units(members, "units_at_most"),
        value_above=_units(members, "value_above"),
        value_at_most=_units(members, "value_at_most"),
        over=_distinct(members, "over", _over, OVER_MAX) or (),
        hours=members.part("hours", read_hours) if "hours" in members else None,
        screening=_distinct(members, "screening", _screening),
    )
    _check_range(members, "units", when.units_above, when.units_at_most)
    _check_range(members, "value", when.value_above, when.value_at_most)
    counted = [when.units_above, when.units_at_most, *(one.units_above for one in when.over)]
    if any(bound is not None for bound in counted) and len(when.assets or ()) != 1:
        raise members.fail("assets", "must name the one asset that the units are of")
    return when


def _check_range(members: Members, what: str, above: int | None, at_most: int | None) -> None:
    if above is not None and at_most is not None and above >= at_most:
        raise members.fail(f"{what}_above", f"must be below {what}_at_most, or nothing matches")


def _over(value: object, path: str) -> Over:
    members = Members(value, path, {"window_seconds", "per"}, _MEASURES)
    window = members.integer("window_seconds", BUCKET_SECONDS, WINDOW_SECONDS_MAX)
    if window % BUCKET_SECONDS:
        raise members.fail("window_seconds", f"must be a multiple of {BUCKET_SECONDS}")
    if sum(name in members for name in _MEASURES) != 1:
        raise FieldInvalid(f"{path}: must have one of {', '.join(sorted(_MEASURES))}")
    return Over(
        window_seconds=window,
        per=_PERS[members.choice("per", frozenset(_PERS))],
        units_above=_units(members, "units_above"),
        value_above=_units(members, "value_above"),
        count_above=members.integer("count_above") if "count_above" in members else None,
    )


def _when_document(when: When) -> dict[str, Any]:
    destinations: object = when.destinations
    if isinstance(when.destinations, tuple):
        destinations = [checksum(address) for address in when.destinations]
    sources = [VAULT if one == VAULT else checksum(one) for one in when.sources or ()]
    conditions: dict[str, Any] = {
        "initiators": _list_or_none(when.initiators),
        "departments": _list_or_none(when.departments),
        "sources": sources or None,
        "destinations": destinations,
        "tags": _list_or_none(when.tags),
        "assets": _list_or_none(when.assets),
        "units_above": _text_or_none(when.units_above),
        "units_at_most": _text_or_none(when.units_at_most),
        "value_above": _text_or_none(when.value_above),
        "value_at_most": _text_or_none(when.value_at_most),
        "over": [_over_document(one) for one in when.over] or None,
        "hours": None if when.hours is None else hours_document(when.hours),
        "screening": _list_or_none(when.screening),
    }
    return {name: value for name, value in conditions.items() if value is not None}


def _over_document(over: Over) -> dict[str, Any]:
    measures: dict[str, Any] = {
        "units_above": _text_or_none(over.units_above),
        "value_above": _text_or_none(over.value_above),
        "count_above": over.count_above,
    }
    there = {name: value for name, value in measures.items() if value is not None}
    return {"window_seconds": over.window_seconds, "per": over.per, **there}


def _units(members: Members, name: str) -> int | None:
    return members.units(name) if name in members else None


def _some(
    members: Members, name: str, read: Callable[[Any, str], T], maximum: int
) -> tuple[T, ...] | None:
    """An optional list; an empty one would match nothing and is refused."""
    return members.list(name, read, minimum=1, maximum=maximum) if name in members else None


def _distinct(
    members: Members, name: str, read: Callable[[Any, str], T], maximum: int = LISTED_MAX
) -> tuple[T, ...] | None:
    found = _some(members, name, read, maximum)
    check_distinct(list(found or ()), members.path(name))
    return found


def _source(value: object, path: str) -> Literal["vault"] | Address:
    return VAULT if value == VAULT else address_at(value, path)


def _screening(value: object, path: str) -> Screening:
    if not isinstance(value, str) or value not in _SCREENINGS:
        raise FieldInvalid(f"{path}: must be one of {', '.join(sorted(_SCREENINGS))}")
    return _SCREENINGS[value]


def _destinations(members: Members) -> Places | tuple[Address, ...] | None:
    if "destinations" not in members:
        return None
    if members.is_text("destinations"):
        return _PLACES[members.choice("destinations", frozenset(_PLACES))]
    return _distinct(members, "destinations", address_at)


def _list_or_none(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)


def _text_or_none(number: int | None) -> str | None:
    return None if number is None else str(number)

"""The rules of a policy bundle: what they match, what they ask for. Pure data and its reading."""

from dataclasses import dataclass
from typing import Any, Literal

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.documents import Members, check_distinct, text_at
from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.structures import address_at

Outcome = Literal["deny", "allow", "approvals"]
_CONDITIONS = frozenset(
    {"initiators", "departments", "assets", "destinations", "units_above", "units_at_most"}
)
ADDRESS_BOOK: Literal["address_book"] = "address_book"


@dataclass(frozen=True, slots=True)
class Requirement:
    """`minimum` different people with a role, of one department or (None) of any."""

    role: str
    department: str | None
    minimum: int

    def fits(self, roles: tuple[str, ...], department: str | None) -> bool:
        """Whether a person with these counts."""
        return self.role in roles and self.department in (None, department)

    def sentence(self) -> str:
        """`2 approvers of finance`."""
        plural = "" if self.minimum == 1 else "s"
        of = f" of {self.department}" if self.department else ""
        return f"{self.minimum} {self.role}{plural}{of}"


@dataclass(frozen=True, slots=True)
class When:
    """Conditions, all of which must hold; None = does not matter. Units are of the one asset."""

    initiators: tuple[str, ...] | None = None
    departments: tuple[str, ...] | None = None
    assets: tuple[str, ...] | None = None
    destinations: Literal["address_book"] | tuple[Address, ...] | None = None
    units_above: int | None = None
    units_at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to payments that match; `approvals` only with verdict "approvals"."""

    id: str
    verdict: Outcome
    when: When
    approvals: tuple[Requirement, ...] = ()


def parse_rule(value: object, path: str) -> Rule:
    """Raises FieldInvalid with the path."""
    members = Members(value, path, {"id", "verdict", "when"}, frozenset({"approvals"}))
    verdict = _OUTCOMES[members.choice("verdict", frozenset(_OUTCOMES))]
    if ("approvals" in members) != (verdict == "approvals"):
        raise members.fail("approvals", "must be there exactly if the verdict is approvals")
    needs = members.list("approvals", _requirement, minimum=1) if "approvals" in members else ()
    return Rule(members.text("id", 64), verdict, members.part("when", _when), needs)


def rule_document(rule: Rule) -> dict[str, Any]:
    """The JSON that `parse_rule` reads; conditions that do not matter are left out."""
    when = rule.when
    destinations: object = when.destinations
    if isinstance(when.destinations, tuple):
        destinations = [checksum(address) for address in when.destinations]
    conditions = {
        "initiators": _list_or_none(when.initiators),
        "departments": _list_or_none(when.departments),
        "assets": _list_or_none(when.assets),
        "destinations": destinations,
        "units_above": None if when.units_above is None else str(when.units_above),
        "units_at_most": None if when.units_at_most is None else str(when.units_at_most),
    }
    document: dict[str, Any] = {
        "id": rule.id,
        "verdict": rule.verdict,
        "when": {name: value for name, value in conditions.items() if value is not None},
    }
    if rule.approvals:
        document["approvals"] = [
            {"role": need.role, "department": need.department, "minimum": need.minimum}
            for need in rule.approvals
        ]
    return document


_OUTCOMES: dict[str, Outcome] = {"deny": "deny", "allow": "allow", "approvals": "approvals"}


def _requirement(value: object, path: str) -> Requirement:
    members = Members(value, path, {"role", "department", "minimum"})
    role = members.choice("role", frozenset({"approver", "administrator", "initiator"}))
    return Requirement(role, members.text_or_none("department"), members.integer("minimum", 1))


def _when(value: object, path: str) -> When:
    members = Members(value, path, set(), _CONDITIONS)
    when = When(
        initiators=_texts(members, "initiators"),
        departments=_texts(members, "departments"),
        assets=_texts(members, "assets"),
        destinations=_destinations(members),
        units_above=members.units("units_above") if "units_above" in members else None,
        units_at_most=members.units("units_at_most") if "units_at_most" in members else None,
    )
    above, at_most = when.units_above, when.units_at_most
    if (above is not None or at_most is not None) and len(when.assets or ()) != 1:
        raise FieldInvalid(f"{path}.assets: must name the one asset that the units are of")
    if above is not None and at_most is not None and above >= at_most:
        raise FieldInvalid(f"{path}.units_above: must be below units_at_most")
    return when


def _texts(members: Members, name: str) -> tuple[str, ...] | None:
    if name not in members:
        return None
    found = members.list(name, text_at, minimum=1)
    check_distinct(list(found), members.path(name))
    return found


def _destinations(members: Members) -> Literal["address_book"] | tuple[Address, ...] | None:
    if "destinations" not in members:
        return None
    if members.is_text("destinations"):
        members.constant("destinations", ADDRESS_BOOK)
        return ADDRESS_BOOK
    found = members.list("destinations", address_at, minimum=1)
    check_distinct(list(found), members.path("destinations"))
    return found


def _list_or_none(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)

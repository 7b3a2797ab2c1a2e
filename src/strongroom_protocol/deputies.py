"""Dated deputies: who may approve in whose place, from when until when.

A deputy has the person's roles and department where approvals are counted, and nowhere else: an
order stays the initiator's own. Whoever is represented and signs as well counts once, herself.
"""

from dataclasses import dataclass
from typing import Any

from strongroom_protocol.documents import Members

DEPUTIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Deputy:
    """`deputy` stands for `person` (ids) from `begins` to `ends`, both included, Unix seconds."""

    person: str
    deputy: str
    begins: int
    ends: int

    def acts(self, now: int) -> bool:
        """Whether it is so now."""
        return self.begins <= now <= self.ends


def read_deputy(value: object, path: str) -> Deputy:
    """Raises FieldInvalid."""
    members = Members(value, path, {"person", "deputy", "from", "until"})
    found = Deputy(
        members.text("person", 64),
        members.text("deputy", 64),
        members.integer("from"),
        members.integer("until"),
    )
    if found.person == found.deputy:
        raise members.fail("deputy", "must be somebody else")
    if found.begins >= found.ends:
        raise members.fail("until", "must be after `from`")
    return found


def deputy_document(deputy: Deputy) -> dict[str, Any]:
    """What `read_deputy` reads."""
    return {
        "person": deputy.person,
        "deputy": deputy.deputy,
        "from": deputy.begins,
        "until": deputy.ends,
    }

"""Who does it: a person, a credential of a program, or the house's own processes."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Actor:
    """Goes into every audit record. `version` is the version of the credential used."""

    kind: Literal["person", "credential", "system"]
    id: str
    version: int = 1
    roles: frozenset[str] = frozenset()


def system(name: str) -> Actor:
    """The actor for a process of ours, such as "indexer"."""
    return Actor("system", name)

"""One mutation: a check taken out, and the case that must turn red for it."""

from dataclasses import dataclass

SIGNER, PROTOCOL = "src/strongroom_signer", "src/strongroom_protocol"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One line fewer in `file`; `caught_by` is a test's id within the red team's folder."""

    name: str
    file: str
    text: str
    instead: str
    caught_by: str


def attack(case: str) -> str:
    """The id of a case, `subject.name`."""
    return f"test_redteam.py::test_attack_is_refused[{case}]"

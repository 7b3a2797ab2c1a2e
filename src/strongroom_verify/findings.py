"""What the checks found: for each of the four, its state, one sentence, and the first bad row."""

from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from strongroom_verify.errors import CHECKS, Check, Malformed

State = Literal["PASS", "FAIL", "NOT CHECKED"]


@dataclass(frozen=True)
class Outcome:
    """One line of the report."""

    check: Check
    state: State
    sentence: str
    where: str = ""
    "File and row that failed first; empty unless the state is FAIL."


class Findings:
    """Collects the first failure of each check, then closes with a sentence for each."""

    def __init__(self) -> None:
        self._outcomes: dict[Check, Outcome] = {}

    def fail(self, check: Check, where: str, what: str) -> None:
        """Record a failure; only the first of a check is kept."""
        self._outcomes.setdefault(check, Outcome(check, "FAIL", what, where))

    def guard(self, check: Check, where: str) -> "Guard":
        """A block in which a Malformed becomes this check's failure at this place."""
        return Guard(self, check, where)

    def failed(self, check: Check) -> bool:
        """Whether this check has failed already."""
        return check in self._outcomes and self._outcomes[check].state == "FAIL"

    def place(self, check: Check, name: str) -> str:
        """Where this check failed first, if that was in the file `name`; else the name itself."""
        found = self._outcomes.get(check)
        return found.where if found is not None and found.where.startswith(name) else name

    def close(self, check: Check, state: State, sentence: str) -> None:
        """State the outcome of a check that has not failed."""
        self._outcomes.setdefault(check, Outcome(check, state, sentence))

    def outcomes(self) -> list[Outcome]:
        """The four outcomes in their order."""
        stopped = "not reached, because INTEGRITY failed first"
        return [
            self._outcomes.get(check, Outcome(check, "NOT CHECKED", stopped)) for check in CHECKS
        ]


class Guard:
    """Ends its block at a Malformed and records it; any other error goes on."""

    def __init__(self, findings: Findings, check: Check, where: str) -> None:
        self._findings = findings
        self._check = check
        self._where = where

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Swallow a Malformed, after recording it."""
        if not isinstance(error, Malformed):
            return False
        self._findings.fail(self._check, self._where, str(error))
        return True

"""What is wrong with a draft, or worth a look: each with a code, its place and a sentence."""

from dataclasses import dataclass, field
from typing import Literal

from strongroom_protocol.errors import ProtocolError

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """An error keeps a draft from being signed; a warning is for its readers."""

    code: str
    severity: Severity
    path: str
    words: str

    def document(self) -> dict[str, str]:
        """As it is kept with a draft."""
        return {
            "code": self.code,
            "severity": self.severity,
            "path": self.path,
            "words": self.words,
        }


@dataclass(slots=True)
class Findings:
    """Collects them, so that a reader is told everything at once."""

    found: list[Finding] = field(default_factory=list)

    def error(self, code: str, path: str, words: str) -> None:
        """Add what must be mended."""
        self.found.append(Finding(f"policy.{code}", "error", path, words))

    def warning(self, code: str, path: str, words: str) -> None:
        """Add what is worth a look."""
        self.found.append(Finding(f"policy.{code}", "warning", path, words))

    def refused(self, error: ProtocolError, path: str) -> None:
        """Add what the protocol's own readers refused, under their code."""
        self.found.append(Finding(error.code, "error", path, str(error)))

    @property
    def stand_in_the_way(self) -> bool:
        """Whether one of them is an error."""
        return any(finding.severity == "error" for finding in self.found)

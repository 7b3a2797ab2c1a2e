"""What the SDK raises; every error is a StrongroomClientError."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class StrongroomClientError(Exception):
    """The root of what the SDK raises."""


class Unreachable(StrongroomClientError):
    """No answer after every retry. A POST may have taken effect: send it again, same key."""


class Refused(StrongroomClientError):
    """The SDK will not sign: what the server shows is not what the person means to do."""


@dataclass
class Problem(StrongroomClientError):
    """The service refused: problem+json (RFC 9457) with a stable `code`."""

    status: int
    code: str
    detail: str
    request_id: str | None
    body: Mapping[str, Any]

    def __str__(self) -> str:
        """Return the sentence, with code and request id for whoever looks into it."""
        return f"{self.detail} [{self.status} {self.code}, request {self.request_id}]"

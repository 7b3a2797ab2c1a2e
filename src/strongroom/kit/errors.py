"""The root of every error that a person or a program may see.

A message says what is wrong, why, and what to do. `code` is stable; `http_status` and `retryable`
let the edge answer without knowing the domain.
"""

from collections.abc import Mapping
from typing import ClassVar


class StrongroomError(Exception):
    """Something that was asked for can't be done."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, detail: Mapping[str, object] | None = None) -> None:
        """`detail` holds values for programs; it may be shown, so no secrets."""
        super().__init__(message)
        self.message = message
        self.detail: Mapping[str, object] = dict(detail or {})


class Invalid(StrongroomError):
    """What was sent does not make sense."""

    code = "invalid"
    http_status = 422


class NotFound(StrongroomError):
    """It does not exist, or not for you."""

    code = "not_found"
    http_status = 404


class Conflict(StrongroomError):
    """It makes sense, but not in the present state."""

    code = "conflict"
    http_status = 409


class Forbidden(StrongroomError):
    """Known, but not allowed."""

    code = "forbidden"
    http_status = 403


class Unauthenticated(StrongroomError):
    """Nobody we know."""

    code = "unauthenticated"
    http_status = 401


class Unavailable(StrongroomError):
    """A part is away for now; the same request may be sent again."""

    code = "unavailable"
    http_status = 503
    retryable = True


class Impossible(StrongroomError):
    """What must hold does not: an error of ours, never of the caller."""

    code = "impossible"

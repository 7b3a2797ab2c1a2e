"""The signer's refusals: one family of errors, each with a code `signer.what_is_wrong`.
A message says what is wrong, why, and what to do; never a PIN, a seed or a private key.
"""

from __future__ import annotations


class Refused(Exception):
    """A request that is not honoured. `code` starts with `signer.`; `retryable` means that the
    same request may pass later without a change.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code if code.startswith("signer.") else f"signer.{code}"
        self.message = message
        self.retryable = retryable


class TokenLost(Exception):
    """The token, its session or its keys are gone: the process must leave and be started again."""


class Unfit(Exception):
    """The signer cannot start: configuration, token or journal is not what it must be."""


class Impossible(Exception):
    """A programmer's error: something that must hold does not."""


def require(condition: object, code: str, message: str) -> None:
    """Refuse with `code` unless `condition` holds."""
    if not condition:
        raise Refused(code, message)


def check(condition: object, what_must_hold: str) -> None:
    """Stop on a programmer's error (an `assert` vanishes under -O)."""
    if not condition:
        raise Impossible(f"what must hold does not: {what_must_hold}")

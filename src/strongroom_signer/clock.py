"""The signer's own clock, passed in wherever time matters; tests hand in one that stands still."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Unix time in whole seconds."""

    def now(self) -> int:
        """Seconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock. It never steps back: a backward jump answers the latest time seen."""

    def __init__(self) -> None:
        self._latest = 0

    def now(self) -> int:
        """Seconds since 1970-01-01 UTC, never less than an earlier answer."""
        self._latest = max(self._latest, int(time.time()))
        return self._latest


class FixedClock:
    """A clock that moves only when told to."""

    def __init__(self, start: int) -> None:
        self._now = start

    def now(self) -> int:
        """The time that was set, in seconds since 1970-01-01 UTC."""
        return self._now

    def advance(self, seconds: int) -> None:
        """Move on by `seconds`."""
        self._now += seconds

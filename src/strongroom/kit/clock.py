"""The only clock. Whoever needs the time is handed a Clock; nobody asks the operating system."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time in UTC."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is told to advance: for tests and replays."""

    def __init__(self, start: datetime) -> None:
        """Start at `start`, which must be aware of its zone."""
        if start.tzinfo is None:
            raise ValueError("FixedClock needs a start with a time zone, so that it is UTC for all")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The moment at which this clock stands."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds."""
        self._now += timedelta(seconds=seconds)

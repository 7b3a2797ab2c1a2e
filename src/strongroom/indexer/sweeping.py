"""Where the rolling reading of every balance stands: one round after the other, each spread over
the stated period, so that no address's last reading is older than two periods.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strongroom.db.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class Sweep:
    """One chain's round. `after`: it goes on above this address; `swept`: addresses read in it."""

    round: int
    begun_at: datetime
    ended_at: datetime | None
    after: bytes | None
    swept: int
    whole_since: datetime | None

    def is_due(self, now: datetime, period_seconds: int, total: int) -> bool:
        """Whether the next part is to be read now, so that `total` take the period."""
        period = timedelta(seconds=period_seconds)
        if self.ended_at is not None:
            return now >= self.begun_at + period
        return now >= self.begun_at + period * min(self.swept, total) / max(total, 1)

    def age_seconds(self, now: datetime) -> int | None:
        """How old the oldest reading may be; None until one round has ended."""
        return None if self.whole_since is None else int((now - self.whole_since).total_seconds())

    def describe(self, now: datetime) -> str:
        """In words, for people."""
        age = self.age_seconds(now)
        oldest = "no round has ended yet" if age is None else f"the oldest reading is {age} s old"
        running = "ended" if self.ended_at is not None else "runs"
        return f"balance sweep: round {self.round} {running}, {self.swept} addresses; {oldest}"


def next_part(uow: UnitOfWork, chain_id: int) -> Sweep:
    """The round that runs, or the one that ended last; a first one is begun."""
    found = uow.execute(
        "SELECT round, begun_at, ended_at, after, swept, whole_since FROM chain_sweep"
        " WHERE chain_id = %s",
        (chain_id,),
    ).fetchone()
    return Sweep(1, uow.now, None, None, 0, None) if found is None else Sweep(*found)


def begin_again(sweep: Sweep, now: datetime) -> Sweep:
    """The round itself while it runs, else the next one."""
    if sweep.ended_at is None:
        return sweep
    return Sweep(sweep.round + 1, now, None, None, 0, sweep.whole_since)


def advance(sweep: Sweep, now: datetime, last: bytes | None, read: int) -> Sweep:
    """After `read` addresses more, up to `last`; None: there are no more, the round ends."""
    moved = replace(sweep, after=last or sweep.after, swept=sweep.swept + read)
    return moved if last is not None else replace(moved, ended_at=now, whole_since=sweep.begun_at)


def record(uow: UnitOfWork, chain_id: int, sweep: Sweep) -> None:
    """Keep where it stands."""
    uow.execute(
        "INSERT INTO chain_sweep (chain_id, round, begun_at, ended_at, after, swept, whole_since,"
        " updated_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (chain_id) DO UPDATE SET"
        " (round, begun_at, ended_at, after, swept, whole_since, updated_at) = (excluded.round,"
        " excluded.begun_at, excluded.ended_at, excluded.after, excluded.swept,"
        " excluded.whole_since, excluded.updated_at)",
        (
            chain_id,
            sweep.round,
            sweep.begun_at,
            sweep.ended_at,
            sweep.after,
            sweep.swept,
            sweep.whole_since,
            uow.now,
        ),
    )

"""The run in a process of its own: a PKCS#11 module serves one set of tokens in each, and another
test of this process may have opened its own before.
"""

from contextlib import ExitStack
from dataclasses import dataclass

from tests.integration.agreement.faults import FAULTS
from tests.integration.agreement.run import Report, replayed, run, shrunk
from tests.integration.agreement.world import World, opened_world

ACCOUNTS = 500
_open = ExitStack()
_worlds: list[World] = []


@dataclass(frozen=True)
class Found:
    """How a planted fault showed: steps before and after shortening, and what replaying gave with
    the fault and without it.
    """

    steps: int
    short: int
    replayed: bool
    replayed_mended: bool


def begin() -> None:
    """Open the world of this process."""
    _worlds.append(_open.enter_context(opened_world(ACCOUNTS)))


def end() -> None:
    """Close it, and end what it started."""
    _open.close()


def compare(seed: int, cases: int) -> Report:
    """So many cases, or up to the first breach."""
    return run(_worlds[0], seed, cases)


def find(name: str, seed: int, cases: int, firms: int) -> Found | None:
    """Plant one fault; None = it was not found."""
    world = _worlds[0]
    with FAULTS[name](world):
        breach = run(world, seed, cases, firms=firms).breach
        if breach is None:
            return None
        short = shrunk(world, breach)
        again = replayed(world, short.script, short.steps)
    mended = replayed(world, short.script, short.steps)
    return Found(len(breach.steps), len(short.steps), bool(again), bool(mended))

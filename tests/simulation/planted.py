"""Faults that are put into our own processes on purpose: the simulation must find each of them."""

from collections.abc import Callable

from strongroom.db.actor import system

ACTOR = system("simulation")


def plant(fault: str | None) -> None:
    """Change this process, and no other."""
    if fault is not None:
        FAULTS[fault]()


FAULTS: dict[str, Callable[[], None]] = {}

"""What the domains bring: handlers by topic, and jobs that are due by the clock.

A module strongroom.workers.<domain> has HANDLERS and, if it likes, JOBS; it is found by being here.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import strongroom.workers
from strongroom.bootstrap.worker import Services
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check

Handler = Callable[[UnitOfWork, Mapping[str, Any], Services], None]
_OURS: Final = frozenset({"app", "beat", "jobs"})


@dataclass(frozen=True, slots=True)
class Job:
    """`topic` is due at every whole multiple of `every_seconds` since 1970."""

    topic: str
    every_seconds: int

    def due_before(self, moment: datetime) -> datetime:
        """The newest due time until `moment`."""
        seconds = int(moment.timestamp())
        return datetime.fromtimestamp(seconds - seconds % self.every_seconds, UTC)


def handlers() -> dict[str, Handler]:
    """Every domain's handlers; a topic belongs to one domain."""
    found: dict[str, Handler] = {}
    for module in _modules():
        for topic, handler in getattr(module, "HANDLERS", {}).items():
            check(topic not in found, f"one handler a topic, but {topic} has two")
            found[topic] = handler
    return found


def jobs() -> list[Job]:
    """Every domain's jobs."""
    return [job for module in _modules() for job in getattr(module, "JOBS", ())]


def _modules() -> list[Any]:
    return [
        importlib.import_module(f"strongroom.workers.{found.name}")
        for found in pkgutil.iter_modules(strongroom.workers.__path__)
        if found.name not in _OURS
    ]

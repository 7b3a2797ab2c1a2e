"""What the worker's handlers are given."""

from dataclasses import dataclass
from typing import Final

from strongroom.config import Config
from strongroom.db.database import Database
from strongroom.kit.clock import Clock, SystemClock

CONCURRENCY: Final = 4
"""Messages handled at once: threads, each with a connection, and a spare one for health."""


@dataclass(frozen=True)
class Services:
    """Handlers build nothing for themselves."""

    config: Config
    database: Database
    clock: Clock


def build(config: Config) -> Services:
    """The worker's parts; raises ConfigurationInvalid without a database URL."""
    clock = SystemClock()
    database = Database(
        config.require_database_url(),
        clock=clock,
        pool_size=CONCURRENCY * 2 + 1,
        application_name="worker",
    )
    return Services(config, database, clock)

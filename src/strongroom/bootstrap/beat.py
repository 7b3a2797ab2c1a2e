"""The beat process's database."""

from strongroom.config import Config
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock


def build(config: Config) -> Database:
    """A connection or two as strongroom_worker."""
    return Database(
        config.require_database_url(),
        clock=SystemClock(),
        pool_size=2,
        application_name="beat",
    )

"""The screener process's parts, joined: database, key, one loop, health."""

import threading
from dataclasses import dataclass

from strongroom.config import Config
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock
from strongroom.kit.health import HealthServer
from strongroom.kit.loops import Loop
from strongroom.screening.key import load_key
from strongroom.screening.screener import Screener

IDLE_SECONDS = 0.2
POOL_SIZE = 3


@dataclass(frozen=True)
class ScreenerProcess:
    """What `strongroom screener` runs. Several may run side by side: requests are leased."""

    database: Database
    screener: Screener
    health_port: int

    def run(self, stop: threading.Event) -> None:
        """Answer requests until `stop` is set."""
        loop = Loop("screener", self.screener.step, IDLE_SECONDS, stop)
        checks = {
            "database": self.database.ping,
            "screener": loop.check,
            "lists": self.screener.check_lists,
        }
        health = HealthServer(checks, self.health_port)
        health.start()
        try:
            loop.run()
        finally:
            health.stop()
            self.database.close()


def build(config: Config) -> ScreenerProcess:
    """Join the parts. Raises ScreenerKeyMissing, ConfigurationInvalid."""
    key = load_key(config.screener_key_file)
    database = Database(
        config.require_database_url(),
        clock=SystemClock(),
        pool_size=POOL_SIZE,
        application_name="strongroom-screener",
    )
    return ScreenerProcess(database, Screener(database, key), config.health_port)

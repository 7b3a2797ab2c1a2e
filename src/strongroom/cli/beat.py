"""`strongroom beat`: inserts the jobs that are due."""

import signal
import threading

from strongroom.bootstrap.beat import build
from strongroom.config import Config
from strongroom.kit import log
from strongroom.kit.health import HealthServer
from strongroom.kit.loops import Loop
from strongroom.workers.beat import PAUSE_SECONDS, Beat
from strongroom.workers.jobs import jobs


def run(args: list[str]) -> int:
    """Run until SIGTERM or SIGINT."""
    del args
    config = Config.from_environment()
    log.configure("beat", json=config.log_json)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    database = build(config)
    loop = Loop("beat", Beat(database, jobs()).step, PAUSE_SECONDS, stop)
    health = HealthServer({"database": database.ping, "beat": loop.check}, config.health_port)
    health.start()
    loop.run()
    health.stop()
    database.close()
    return 0

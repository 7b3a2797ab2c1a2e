"""`strongroom worker`: handles what Celery carries and sends webhooks, until it is told to end."""

from strongroom.bootstrap.webhooks import Couriers
from strongroom.bootstrap.worker import build
from strongroom.config import Config
from strongroom.kit import log
from strongroom.kit.health import HealthServer
from strongroom.workers.app import make_app, serve


def run(args: list[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    del args
    config = Config.from_environment()
    log.configure("worker", json=config.log_json)
    services = build(config)
    couriers = Couriers(config)
    checks = {"database": services.database.ping, "webhooks": couriers.check}
    health = HealthServer(checks, config.health_port)
    health.start()
    couriers.start()
    try:
        return serve(make_app(services))
    finally:
        health.stop()
        couriers.close()
        services.database.close()

"""`strongroom api`: serve the REST API and the console on one loopback port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from anyio import to_thread
from fastapi import FastAPI

from strongroom import console
from strongroom.api.app import create_app
from strongroom.bootstrap.api import POOL_SIZE, build, ensure_operator
from strongroom.config import Config
from strongroom.kit import log

GRACE_SECONDS = 5


def run(arguments: list[str]) -> int:
    """Serve until the process is told to end; return 0. Takes no arguments."""
    del arguments
    config = Config.from_environment()
    log.configure("api", json=config.log_json)
    services = build(config)
    if config.operator_token_file is not None:
        ensure_operator(services.database, config.operator_token_file.read_text().strip())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # As many threads as connections: a thread more would only wait for one.
        to_thread.current_default_thread_limiter().total_tokens = POOL_SIZE
        services.postings.start()
        yield
        services.postings.stop()
        services.database.close()

    app = create_app(services, lifespan)
    console.install(app, services)
    uvicorn.run(
        app,
        host=config.api_host,
        port=config.api_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return 0

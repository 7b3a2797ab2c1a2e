"""The API with its console on a port of its own, over a stage; people of the stage may sign in."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import uvicorn
from eth_account.signers.local import LocalAccount

from strongroom import console
from strongroom.api.app import create_app
from strongroom.bootstrap.api import build
from strongroom.config import Config
from strongroom.identity import service as identity
from strongroom.identity.types import NewCredential, NewPerson
from tests.factories.parts.place import free_port
from tests.factories.stage import Stage


@dataclass(frozen=True)
class Site:
    """Where the console answers."""

    stage: Stage
    url: str

    def token(self, name: str, key: LocalAccount, *roles: str) -> str:
        """A person of the organisation, with a credential; give its token."""
        token = f"sr_{name}_{'x' * 30}"
        with self.stage.unit() as uow:
            address = bytes.fromhex(key.address[2:])
            person = identity.add_person(
                uow, NewPerson(name, name.capitalize(), roles, None, address)
            )
        with self.stage.unit() as uow:
            hashed = hashlib.sha256(token.encode()).digest()
            until = uow.now + timedelta(days=1)
            identity.add_credential(uow, NewCredential("browser", hashed, roles, person.id, until))
        return token


@contextmanager
def served(stage: Stage) -> Iterator[Site]:
    """Serve until the end of the block."""
    services = build(Config.from_environment(stage.house.environment("api")))
    app = create_app(services)
    console.install(app, services)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield Site(stage, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join()
        services.database.close()

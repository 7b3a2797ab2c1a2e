"""Webhooks' parts: what the API checks and shows, and the couriers of the worker process."""

import threading
from dataclasses import dataclass
from typing import Final

from strongroom.config import Config, ConfigurationInvalid
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock
from strongroom.kit.log import logger
from strongroom.kit.loops import Loop
from strongroom.webhooks.courier import PAUSE_SECONDS, Courier, Lane
from strongroom.webhooks.errors import SecretsMissing
from strongroom.webhooks.guard import Guard
from strongroom.webhooks.rules import Secrets
from strongroom.webhooks.sender import Sender

KEY_BYTES_MIN: Final = 32
POOL_SIZE: Final = 6
"""Connections: a courier's thread has one only while it reads or records, never while it sends."""
SLOTS: Final[dict[Lane, int]] = {"sound": 32, "ailing": 16}
"""Endpoints served at once: those that answer, and those that failed or never answered."""


@dataclass(frozen=True)
class WebhookParts:
    """Who may be sent to, and the secrets, if this installation has a key for them."""

    guard: Guard
    made: Secrets | None

    @property
    def secrets(self) -> Secrets:
        """Raises SecretsMissing."""
        if self.made is None:
            raise SecretsMissing(
                "This installation has no key for webhooks' secrets. Its operator sets "
                "STRONGROOM_WEBHOOK_KEY_FILE to a file of 32 random bytes or more."
            )
        return self.made


def parts(config: Config) -> WebhookParts:
    """Raises ConfigurationInvalid for a key file that can't be read or is too short."""
    return WebhookParts(Guard(config.webhook_networks), _secrets(config))


class Couriers:
    """Both lanes in threads, over a pool of their own: jobs never wait for them."""

    def __init__(self, config: Config) -> None:
        """Raises ConfigurationInvalid. Without a key file nothing is sent."""
        found = parts(config)
        self._stop = threading.Event()
        self._database = Database(
            config.require_database_url(),
            clock=SystemClock(),
            pool_size=POOL_SIZE,
            application_name="webhooks",
        )
        self._couriers: list[Courier] = []
        self._loops: list[Loop] = []
        self._threads: list[threading.Thread] = []
        if found.made is None:
            logger(__name__).warning("webhooks.no_key", sent="nothing")
            return
        for lane, slots in SLOTS.items():
            courier = Courier(
                self._database, Sender(found.guard), found.made, lane=lane, slots=slots
            )
            self._couriers.append(courier)
            self._loops.append(Loop(f"webhooks {lane}", courier.step, PAUSE_SECONDS, self._stop))

    def start(self) -> None:
        """Begin."""
        self._threads = [loop.start() for loop in self._loops]

    def check(self) -> None:
        """A health check: raises while a lane keeps failing."""
        for loop in self._loops:
            loop.check()

    def close(self) -> None:
        """Let the POSTs under way end, then end."""
        self._stop.set()
        for courier in self._couriers:
            courier.stop()
        for thread in self._threads:
            thread.join()
        for courier in self._couriers:
            courier.close()
        self._database.close()


def _secrets(config: Config) -> Secrets | None:
    file = config.webhook_key_file
    if file is None:
        return None
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise ConfigurationInvalid(
            f"STRONGROOM_WEBHOOK_KEY_FILE names {file}, which can't be read: {error.strerror}."
        ) from error
    if len(key) < KEY_BYTES_MIN:
        raise ConfigurationInvalid(
            f"STRONGROOM_WEBHOOK_KEY_FILE names {file}, which holds {len(key)} bytes; put "
            f"{KEY_BYTES_MIN} random bytes or more into it, as text or as they are."
        )
    return Secrets(key)

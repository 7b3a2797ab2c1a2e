"""Jobs of vaults: a Safe nonce is free, so a payment that waits has its turn."""

from collections.abc import Mapping
from typing import Any

from strongroom.bootstrap.worker import Services
from strongroom.db.database import UnitOfWork
from strongroom.vaults.steps import NONCE_FREE
from strongroom.withdrawals import turns
from strongroom.workers.jobs import Handler


def nonce_free(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """A change is over, or was taken back."""
    del payload, services
    turns.take_turn(uow)


HANDLERS: dict[str, Handler] = {NONCE_FREE: nonce_free}

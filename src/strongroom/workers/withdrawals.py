"""Jobs of withdrawals: look again at one, at all that an old policy left behind, remind people."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from strongroom.bootstrap.worker import Services
from strongroom.db.database import UnitOfWork
from strongroom.withdrawals import service as withdrawals
from strongroom.workers.jobs import Handler


def advance(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """A verdict came, a Safe nonce became free, or its time is over."""
    del services
    withdrawals.advance(uow, UUID(payload["withdrawal_id"]))


def policy_activated(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """What was ordered under the version before can't be paid any more."""
    del services
    withdrawals.policy_changed(uow, int(payload["version"]))


def remind(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """Somebody's signature is still waited for."""
    del services
    withdrawals.remind(uow, UUID(payload["withdrawal_id"]), int(payload["number"]))


HANDLERS: dict[str, Handler] = {
    "withdrawals.advance": advance,
    "withdrawals.remind": remind,
    "policy.activated": policy_activated,
}

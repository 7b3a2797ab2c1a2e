"""Jobs of withdrawals: look again at one of them, or at all that an old policy left behind."""

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


HANDLERS: dict[str, Handler] = {
    "withdrawals.advance": advance,
    "policy.activated": policy_activated,
}

"""Jobs of withdrawals: look again at one, at all that an old policy left behind, remind people."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from strongroom.bootstrap.worker import Services
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.withdrawals import floats
from strongroom.withdrawals import service as withdrawals
from strongroom.workers.jobs import Handler, Job


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


def floats_due(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """Each organisation that has floats is looked at in a unit of its own."""
    del services
    for organisation_id in floats.organisations(uow):
        key = f"{organisation_id}:{payload['due_at']}"
        outbox.enqueue(uow, "withdrawals.float", key, {}, organisation_id=organisation_id)


def float_look(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """Propose what this organisation's hot wallets lack, or have too much of."""
    del payload, services
    if uow.organisation_id is not None:
        floats.look(uow, uow.organisation_id)


HANDLERS: dict[str, Handler] = {
    "withdrawals.advance": advance,
    "withdrawals.remind": remind,
    "policy.activated": policy_activated,
    "withdrawals.floats": floats_due,
    "withdrawals.float": float_look,
}
JOBS = (Job("withdrawals.floats", 60),)

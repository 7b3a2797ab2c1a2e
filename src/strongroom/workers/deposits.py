"""Jobs of deposits: act on a verdict, look again at what waits, plan sweeps."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from strongroom.bootstrap.worker import Services
from strongroom.config import ConfigurationInvalid
from strongroom.db.database import UnitOfWork
from strongroom.deposits import service as deposits
from strongroom.workers.jobs import Handler, Job
from strongroom_protocol.addresses import ZERO
from strongroom_protocol.encoding import from_hex

SWEEP_SECONDS: Final = 5
"""How often organisations are asked whether they have something to sweep."""
LOOK_SECONDS: Final = 2
"""How often deposits that wait for depth, or for their token's name, are looked at."""


def settle(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """A verdict about a deposit came, or its block is deep enough now."""
    deposits.settle(uow, UUID(payload["deposit_id"]), _screener_key(services))


def accept(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """People took a deposit that was held."""
    deposit_id = UUID(payload["deposit_id"])
    deposits.accept(uow, deposit_id, payload["by"])
    deposits.settle(uow, deposit_id, _screener_key(services))


def look(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """A job of the house: time has passed, and blocks with it."""
    del payload, services
    deposits.look(uow)
    deposits.look_named(uow)


def named(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """An organisation's policy names a token of which deposits were kept."""
    del payload, services
    deposits.book_named(uow)


def plan_sweeps(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """A job of the house: each organisation that has something plans for itself."""
    del payload, services
    deposits.plan_sweeps(uow)


def sweep(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """One organisation plans its next sweep."""
    deposits.plan_sweep(
        uow,
        now=bool(payload.get("now")),
        set_code=lambda chain_id: services.config.chain(chain_id).set_code,
    )


def release(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """The signer released what a sweep never moved; were it not so, it would refuse the next."""
    del services
    token = from_hex(payload["token"], 20)
    deposits.release(
        uow,
        from_hex(payload["ref"], 32),
        from_hex(payload["account"], 20),
        None if token == ZERO else token,
    )


def _screener_key(services: Services) -> bytes:
    key = services.config.screener_public_key
    if key is None:
        raise ConfigurationInvalid(
            "STRONGROOM_SCREENER_PUBLIC_KEY is not set, so no clearance can be believed; give the "
            "64 hex digits that `strongroom screener key` prints."
        )
    return key


HANDLERS: dict[str, Handler] = {
    "deposits.accept": accept,
    "deposits.look": look,
    "deposits.named": named,
    "deposits.settle": settle,
    "deposits.plan_sweeps": plan_sweeps,
    "deposits.sweep": sweep,
    "deposits.release": release,
}
JOBS = (
    Job("deposits.plan_sweeps", every_seconds=SWEEP_SECONDS),
    Job("deposits.look", every_seconds=LOOK_SECONDS),
)

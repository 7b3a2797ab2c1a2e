"""Jobs of exports: take the next step of building a bundle."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from strongroom.bootstrap.worker import Services
from strongroom.db.database import UnitOfWork
from strongroom.exports.build import Builder


def build(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """Write, wait for the log, or seal."""
    builder = Builder(services.database, services.config.export_dir)
    builder.step(uow, UUID(payload["export_id"]))


HANDLERS: dict[str, Callable[[UnitOfWork, Mapping[str, Any], Services], None]] = {
    "exports.build": build,
}

"""How a route reads: one read-only unit of the caller's organisation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends

from strongroom.api.security import Caller, Services, authenticated, services
from strongroom.db.database import UnitOfWork

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Query:
    """One authenticated GET."""

    services: Services
    caller: Caller

    def run(self, look: Callable[[UnitOfWork], Answer]) -> Answer:
        """Run `look` in a read-only unit and return its answer."""
        with self.services.database.read(self.caller.organisation_id, self.caller.actor) as uow:
            return look(uow)


def query(
    caller: Annotated[Caller, Depends(authenticated)],
    found: Annotated[Services, Depends(services)],
) -> Query:
    """Make the Query of a GET."""
    return Query(found, caller)


Reading = Annotated[Query, Depends(query)]
"""The parameter of every route that reads."""

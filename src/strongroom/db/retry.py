"""Units that met a deadlock or a serialization failure are run again, at most three times."""

from collections.abc import Callable
from typing import Final, TypeVar
from uuid import UUID

from strongroom.db.actor import Actor
from strongroom.db.database import Database, UnitOfWork
from strongroom.db.errors import TransactionConflict
from strongroom.kit.metrics import counter

MAX_RETRIES: Final = 3
Result = TypeVar("Result")


def run(
    database: Database,
    organisation_id: UUID | None,
    actor: Actor,
    work: Callable[[UnitOfWork], Result],
    *,
    request_id: str | None = None,
) -> Result:
    """`work` in a unit of its own; raises TransactionConflict after the third retry."""
    for attempt in range(MAX_RETRIES + 1):
        try:
            with database.unit(organisation_id, actor, request_id=request_id) as uow:
                return work(uow)
        except TransactionConflict:
            counter("strongroom_transaction_retries_total", "Units run again.").inc()
            if attempt == MAX_RETRIES:
                raise
    raise RuntimeError("unreachable: the last attempt returned or raised")

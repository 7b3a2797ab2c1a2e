"""Jobs of reconciliation: compare a finalized block whose balances the indexer has read."""

from collections.abc import Mapping
from typing import Any

from strongroom.bootstrap.worker import Services
from strongroom.db.database import UnitOfWork
from strongroom.reconciliation import service as reconciliation
from strongroom.workers.jobs import Handler


def run(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """Ledger beside chain at one block."""
    del services
    reconciliation.run(
        uow,
        int(payload["chain_id"]),
        int(payload["height"]),
        block_hash=bytes.fromhex(payload["block_hash"]),
        part=str(payload["part"]),
        swept=int(payload["swept"]),
    )


HANDLERS: dict[str, Handler] = {"reconciliation.run": run}

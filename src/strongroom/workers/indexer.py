"""Jobs of the indexer: people are told when it has stopped."""

from collections.abc import Mapping
from typing import Any

from strongroom.bootstrap.worker import Services
from strongroom.db.database import UnitOfWork
from strongroom.kit.ids import HOUSE
from strongroom.screening import service as screening
from strongroom.workers.jobs import Handler


def halted(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """A reorganisation below finality: nothing of that chain is booked any more."""
    del services
    chain_id, height = int(payload["chain_id"]), int(payload["height"])
    screening.open_alert(
        uow,
        organisation_id=HOUSE,
        kind="indexer.halted",
        subject=f"chain:{chain_id}",
        reference=f"{chain_id}:{height}",
        detail={"reason": payload["reason"], "height": height},
    )


HANDLERS: dict[str, Handler] = {"indexer.halted": halted}

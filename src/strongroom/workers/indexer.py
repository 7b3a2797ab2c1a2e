"""Jobs of the indexer: people are told when it has stopped, and what it could not book."""

from collections.abc import Mapping
from typing import Any

from strongroom.bootstrap.worker import Services
from strongroom.db import events
from strongroom.db.database import UnitOfWork
from strongroom.db.events import Event
from strongroom.identity import service as identity
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
    subject, body = f"chain:{chain_id}", {"chain_id": chain_id, "height": height}
    key = f"{subject}:halted:{height}"
    concerned = [HOUSE, *uow.session.scalars(identity.on_chain(chain_id))]
    told = [
        Event(owner, key, "chain.halted", subject, {**body, "reason": payload["reason"]})
        for owner in concerned
    ]
    events.announce(uow, told)


def refused(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """The books had it otherwise than the chain: an account is frozen until people have looked."""
    del services
    screening.open_alert(
        uow,
        organisation_id=uow.organisation_id or HOUSE,
        kind="indexer.refused",
        subject=payload["key"],
        reference=payload["key"],
        detail={"reason": payload["reason"], "code": payload["code"]},
    )


HANDLERS: dict[str, Handler] = {"indexer.halted": halted, "indexer.refused": refused}

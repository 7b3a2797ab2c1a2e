"""Jobs of the relay: people are told what does not go on by itself, and gas money is ordered."""

from collections.abc import Mapping
from typing import Any

from strongroom.bootstrap.worker import Services
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.kit.ids import HOUSE
from strongroom.policy import service as policy
from strongroom.relay import service as relay
from strongroom.relay.errors import RefTaken
from strongroom.relay.types import FeeCap
from strongroom.screening import service as screening
from strongroom.workers.jobs import Handler
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256


def alert(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """A gap, a stuck transaction, a purse that runs dry, a block that differs from what was said:
    once for each time.
    """
    del services
    screening.open_alert(
        uow,
        organisation_id=uow.organisation_id or HOUSE,
        kind=payload["kind"],
        subject=payload["subject"],
        reference=payload["reference"],
        detail={"reason": payload["reason"]},
    )


def topup(uow: UnitOfWork, payload: Mapping[str, Any], services: Services) -> None:
    """Feed the relay's key, if this organisation's signed policy has a hot key that may. Once for
    each time that the key runs low: the first organisation's order is the only one.
    """
    del services
    organisation_id = uow.organisation_id
    check(organisation_id is not None, "a top-up is one organisation's")
    if organisation_id is None:
        return
    bundle = policy.active(uow, organisation_id).bundle
    if bundle.gas is None or bundle.chain_id != payload["chain_id"]:
        return
    # Half of what a day may cost leaves room for its own fee, and for one more.
    units = min(int(payload["units"]), bundle.gas.per_day_wei // 2)
    try:
        relay.enqueue(
            uow,
            organisation_id,
            "gas_topup",
            keccak256(b"strongroom.gas_topup" + str(payload["episode"]).encode()),
            {
                "organisation": to_hex(bundle.organisation),
                "to": {"relay": True},
                "units": str(units),
            },
            chain_id=bundle.chain_id,
            cap=FeeCap(bundle.max_fee_per_gas_wei, bundle.max_total_fee_wei),
        )
    except RefTaken:
        return  # another organisation's policy was asked first, and feeds it


HANDLERS: dict[str, Handler] = {"relay.alert": alert, "relay.topup": topup}

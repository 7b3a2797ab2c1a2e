"""The vault's page: how it stands on chain, how healthy, what the policy wants, who leaves."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from strongroom.db.database import UnitOfWork
from strongroom.policy import service as policy
from strongroom.vaults import room, steps
from strongroom.vaults.configuration import Configuration, moment
from strongroom.vaults.errors import NotExamined, VaultUnknown
from strongroom.vaults.pending import Pending
from strongroom_protocol.addresses import ZERO, checksum
from strongroom_protocol.amounts import Amount, grouped
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.vault_changes import parse_change

STAGES = {
    "to_do": "the people sign it once; it holds at once",
    "to_announce": "the people announce it; then a delay of two days runs",
    "executable": "announced and cooled: the people sign its execution",
}
STEPS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Limit:
    """What may leave in a day."""

    asset: str
    amount: str


def page(uow: UnitOfWork) -> dict[str, Any]:
    """What the template shows. Without a vault, or before its first look, a sentence why."""
    try:
        standing, (_, waiting) = room.standing(uow), steps.wanted(uow)
    except (NotExamined, VaultUnknown) as error:
        return {"standing": None, "why": str(error)}
    owner = uow.organisation_id
    bundle = None if owner is None else policy.active(uow, owner).bundle
    found = standing.found
    return {
        "standing": standing,
        "address": checksum(found.address),
        "owners": [(_name(bundle, one), checksum(one)) for one in found.owners],
        "freezers": [
            (_name(bundle, one), checksum(one))
            for one in (found.record.freezers if found.record else ())
        ],
        "permit_signer": checksum(found.record.permit_signer) if found.record else None,
        "guard": checksum(found.guard),
        "limits": list(_limits(found, bundle)),
        "alarms": _alarms(found),
        "pending": [(room.words(one.change, bundle), _stage(one)) for one in waiting],
        "steps": [_step(view, bundle) for view in steps.steps(uow, STEPS_SHOWN)],
        "seen": f"{standing.snapshot.seen_time:%d %b %Y %H:%M} UTC",
    }


def _name(bundle: Bundle | None, address: bytes) -> str:
    person = None
    if bundle is not None:
        person = next((one for one in bundle.people if one.address == address), None)
    return "nobody of the policy" if person is None else person.name


def _limits(found: Configuration, bundle: Bundle | None) -> list[Limit]:
    if found.record is None or bundle is None:
        return []
    assets = {token.contract or ZERO: token.asset for token in bundle.tokens}
    shown = []
    for token, limit in sorted(found.record.limits.items()):
        asset = assets.get(token)
        if asset is None:
            shown.append(Limit(checksum(token), f"{limit.day_units} units"))
        else:
            shown.append(Limit(asset.symbol, grouped(Amount(limit.day_units, asset))))
    return shown


def _alarms(found: Configuration) -> list[str]:
    told = []
    if found.exit_usable_from:
        enough = len(found.owners) - found.threshold + 1
        told.append(
            "The people have announced that they leave. Both guards can go from "
            f"{moment(found.exit_usable_from)} on; {enough} owners together can cancel it."
        )
    record = found.record
    if record is not None and record.frozen_until > found.block_time:
        told.append(f"The vault is frozen until {moment(record.frozen_until)}; owners can end it.")
    return told


def _stage(one: Pending) -> str:
    if one.stage == "cooling":
        return f"announced; it can be executed from {moment(one.usable_from)} on"
    return STAGES[one.stage]


def _step(view: steps.StepView, bundle: Bundle | None) -> dict[str, Any]:
    change = parse_change(view.change, "change")
    phases = {"announce": "Announce: ", "execute": "Execute: ", "now": ""}
    return {
        "words": phases[view.phase] + room.words(change, bundle),
        "state": view.state,
        "reason": view.reason,
        "nonce": view.safe_nonce,
        "signed": [_name(bundle, one) for one in view.signed_by],
        "threshold": view.threshold,
        "open": view.state in steps.OPEN,
        "at": datetime.fromtimestamp(view.updated_at.timestamp(), UTC),
    }

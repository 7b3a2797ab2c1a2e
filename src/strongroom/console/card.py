"""One withdrawal on a page: what its bytes say, what to look at twice, who signs."""

from typing import Any, Final
from uuid import uuid4

from strongroom.console import pictures
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.identity.types import Caller, Role
from strongroom.policy import service as policy
from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.seen import Seen
from strongroom.withdrawals.types import SigningData, WithdrawalView
from strongroom_protocol.addresses import ZERO, checksum, parse_address
from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.decoded import Decoded
from strongroom_protocol.encoding import to_hex

QUIET: Final = frozenset({"simulation_missing"})
"""Worth a line, and no red: it passes by itself."""
TAKEN_BACK: Final = frozenset(
    {"screening", "queued", "awaiting_approval", "approved", "binding", "signed", "broadcast"}
)

REJECTED_IN: Final = frozenset({"screening", "queued", "awaiting_approval", "approved"})


def of(uow: UnitOfWork, viewer: Caller, view: WithdrawalView) -> dict[str, Any]:
    """Everything that the card shows, made from what would be signed."""
    bundle = policy.active(uow, viewer.organisation_id).bundle
    signing = withdrawals.signing_data_or_none(uow, view.id)
    seen = withdrawals.what_is_seen(uow, view.id)
    address = own_address(uow, viewer)
    person = None if address is None else bundle.person_of(parse_address(address))
    own = None if person is None else person.id
    may_see = seen is not None and seen.decoded is not None
    approves = Role.APPROVER in viewer.roles and own is not None
    return {
        "view": view,
        "signing": signing,
        "own_address": address,
        "people": {one.id: one.name for one in (*_then(uow, viewer, view), *bundle.people)},
        "signed": own in {each.person for each in view.approvals},
        "may_sign": may_see and approves and signing is not None and own in signing.may_sign_now,
        "waits_turn": approves and _stands_later(signing, own),
        "may_reject": approves and own != view.initiator and view.state in REJECTED_IN,
        "may_take_back": own == view.initiator and view.state in TAKEN_BACK,
        "reminders": withdrawals.reminders(uow, view.id),
        "element": f"w{uuid4().hex[:8]}",
        **_bytes(seen, bundle, view),
    }


def own_address(uow: UnitOfWork, viewer: Caller) -> str | None:
    """The key with which the viewer signs."""
    if viewer.person_id is None:
        return None
    address = identity.person(uow, viewer.person_id).address
    return None if address is None else checksum(address)


def _then(uow: UnitOfWork, viewer: Caller, view: WithdrawalView) -> tuple[Person, ...]:
    """The people of the policy under which it was ordered: some may have left."""
    return policy.at_version(uow, viewer.organisation_id, view.policy_version).bundle.people


def _bytes(seen: Seen | None, bundle: Bundle, view: WithdrawalView) -> dict[str, Any]:
    if seen is None:
        nothing: dict[str, Any] = {"seen": None, "digests": None, "own_line": None}
        return nothing | {"lines": [], "cautions": [], "changes": []}
    found = seen.decoded
    simulation = seen.simulation
    return {
        "seen": seen,
        "lines": [] if found is None else [pictures.shown_line(x, bundle) for x in found.lines],
        "own_line": None if found is None or found.kind != "batch" else _own_line(found, view),
        "cautions": [
            {"text": one.text, "is_quiet": one.code in QUIET}
            for one in sorted(seen.cautions, key=lambda one: one.code in QUIET)
        ],
        "digests": None
        if found is None
        else {
            "domain": to_hex(found.domain_hash),
            "message": to_hex(found.message_hash),
            "signed": to_hex(found.digest),
        },
        "changes": []
        if simulation is None
        else pictures.shown_changes(simulation, bundle, view.wallet),
    }


def _own_line(found: Decoded, view: WithdrawalView) -> int | None:
    """Which of a batch's payments is this withdrawal's; None: it is not there, and nobody signs."""
    wanted = tuple(str(view.fields[name]).lower() for name in ("token", "to", "units"))
    for place, line in enumerate(found.lines):
        if line.recipient is not None:
            has = (to_hex(line.token or ZERO), to_hex(line.recipient), str(line.units))
            if has == wanted:
                return place
    return None


def _stands_later(signing: SigningData | None, own: str | None) -> bool:
    """Whether the viewer stands in a group whose turn has not come, and in none whose has."""
    if signing is None or own in signing.may_sign_now:
        return False
    groups = [group for need in signing.needs for path in need.paths for group in path]
    return any(own in group.people and not group.is_next for group in groups)

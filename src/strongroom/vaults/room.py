"""What people are shown of a vault: how it stands on chain, how healthy, what a change means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from strongroom.db.database import UnitOfWork
from strongroom.vaults import errors, service, snapshots
from strongroom.vaults.configuration import Configuration
from strongroom.vaults.health import Health, judge
from strongroom.vaults.models import VaultSnapshot
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.vault_changes import Change


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest snapshot, read and judged."""

    snapshot: VaultSnapshot
    found: Configuration
    health: Health


def standing(uow: UnitOfWork) -> Standing:
    """How the organisation's vault stands. Raises VaultUnknown, NotExamined, PlatformMissing."""
    vault = service.get(uow)
    owner = uow.organisation_id
    kept = None if owner is None else snapshots.newest(uow, owner, vault.id)
    if kept is None:
        raise errors.NotExamined(
            "The vault was not examined on chain yet; that takes some seconds after it is active."
        )
    found = snapshots.configuration(kept)
    deployment = service.platform(uow, vault.chain_id).deployment
    return Standing(kept, found, judge(found, deployment))


def words(change: Change) -> str:
    """The change in one sentence."""
    return _WORDS[change.kind](change)


def _asset(change: Change) -> str:
    return "the native coin" if change.token is None else f"the token {checksum(change.token)}"


def _list(addresses: tuple[Address, ...]) -> str:
    return ", ".join(map(checksum, addresses)) or "nobody"


_WORDS: Mapping[str, Callable[[Change], str]] = {
    "add_owner": lambda c: (
        f"Add the owner {checksum(c.owner)}; {c.threshold} signatures are then needed."
    ),
    "remove_owner": lambda c: (
        f"Remove the owner {checksum(c.owner)}; {c.threshold} signatures are then needed."
    ),
    "swap_owner": lambda c: f"Replace the owner {checksum(c.owner)} by {checksum(c.new_owner)}.",
    "change_threshold": lambda c: f"Let {c.threshold} signatures be needed.",
    "set_limit": lambda c: f"Set the limit of {_asset(c)} to {c.day_units} units a day.",
    "lower_limit": lambda c: f"Lower the limit of {_asset(c)} to {c.day_units} units a day.",
    "set_permit_signer": lambda c: f"Let the key {checksum(c.permit_signer)} issue Permits.",
    "set_freezers": lambda c: f"Let these freeze the vault: {_list(c.freezers)}.",
    "announce_destination": lambda c: (
        f"Let {checksum(c.destination)} be paid, once its cooling time is over."
    ),
    "revoke_destination": lambda c: f"Let {checksum(c.destination)} not be paid any more.",
    "replace_guard": lambda c: f"Replace the guard by {checksum(c.guard)}.",
    "cancel": lambda c: f"Take back the announcement {to_hex(c.change_hash)}.",
}

"""What people are shown of a vault: how it stands on chain, how healthy, what a change means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from strongroom.db.database import UnitOfWork
from strongroom.vaults import errors, service, snapshots
from strongroom.vaults.configuration import Configuration
from strongroom.vaults.health import Health, judge
from strongroom.vaults.models import VaultSnapshot
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import Amount, grouped
from strongroom_protocol.bundle import Bundle
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


def words(change: Change, bundle: Bundle | None = None) -> str:
    """The change in one sentence; with the bundle's names and assets where it knows them."""
    return _WORDS[change.kind](change, _Speaker(bundle))


@dataclass(frozen=True, slots=True)
class _Speaker:
    bundle: Bundle | None

    def who(self, address: Address) -> str:
        person = None if self.bundle is None else self.bundle.person_of(address)
        return f"{person.name} {checksum(address)}" if person is not None else checksum(address)

    def people(self, addresses: tuple[Address, ...]) -> str:
        return ", ".join(map(self.who, addresses)) or "nobody"

    def limit(self, change: Change) -> str:
        token = None if self.bundle is None else self.bundle.token_of(change.token)
        if token is not None:
            amount = grouped(Amount(change.day_units, token.asset))
            return f"of {token.asset.symbol} to {amount} {token.asset.symbol} a day"
        asset = "the native coin" if change.token is None else checksum(change.token)
        return f"of {asset} to {change.day_units} units a day"


_WORDS: Mapping[str, Callable[[Change, _Speaker], str]] = {
    "add_owner": lambda c, say: (
        f"Add the owner {say.who(c.owner)}; {c.threshold} signatures are then needed."
    ),
    "remove_owner": lambda c, say: (
        f"Remove the owner {say.who(c.owner)}; {c.threshold} signatures are then needed."
    ),
    "swap_owner": lambda c, say: f"Replace the owner {say.who(c.owner)} by {say.who(c.new_owner)}.",
    "change_threshold": lambda c, _: f"Let {c.threshold} signatures be needed.",
    "set_limit": lambda c, say: f"Set the limit {say.limit(c)}.",
    "lower_limit": lambda c, say: f"Lower the limit {say.limit(c)}.",
    "set_permit_signer": lambda c, _: f"Let the key {checksum(c.permit_signer)} issue Permits.",
    "set_freezers": lambda c, say: f"Let these freeze the vault: {say.people(c.freezers)}.",
    "announce_destination": lambda c, _: (
        f"Let {checksum(c.destination)} be paid, once its cooling time is over."
    ),
    "revoke_destination": lambda c, _: f"Let {checksum(c.destination)} not be paid any more.",
    "replace_guard": lambda c, _: f"Replace the guard by {checksum(c.guard)}.",
    "cancel": lambda c, _: f"Take back the announcement {to_hex(c.change_hash)}.",
}

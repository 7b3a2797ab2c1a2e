"""Who holds a vault and what its guard lets through: as founded, and as it shall become.

`Vault` is what the vault's address commits to, the same in every version of a bundle. `Controls`
are what a later version says the vault on chain shall become; it is brought there step by step
(`vault_changes`). A guard counts an asset by its contract, the zero address standing for native.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex

# The guard keeps a limit in 128 bits.
DAY_UNITS_MAX = 2**128 - 1
FREEZERS_MAX = 16
NO_SALT = bytes(32)


@dataclass(frozen=True, slots=True)
class AssetLimit:
    """At most `day_units` of `token` (None = native) leave the vault in any rolling day."""

    token: Address | None
    day_units: int


@dataclass(frozen=True, slots=True)
class Vault:
    """What the vault was made with. Lists ascend by address, the native coin first. `adopted`: an
    existing Safe that was taken in instead of being made.
    """

    salt: bytes
    owners: tuple[Address, ...]
    threshold: int
    permit_signer: Address
    limits: tuple[AssetLimit, ...]
    destinations: tuple[Address, ...]
    freezers: tuple[Address, ...]
    adopted: Address | None = None


@dataclass(frozen=True, slots=True)
class Controls:
    """What the vault on chain is to be governed by; `guard` None = the platform's own."""

    owners: tuple[Address, ...]
    threshold: int
    guard: Address | None
    permit_signer: Address
    freezers: tuple[Address, ...]


def founded(vault: Vault) -> Controls:
    """The controls that the vault was made with."""
    return Controls(vault.owners, vault.threshold, None, vault.permit_signer, vault.freezers)


def ascending(limits: Iterable[AssetLimit]) -> tuple[AssetLimit, ...]:
    """In the one order that they are written in."""
    return tuple(sorted(limits, key=lambda limit: limit.token or ZERO))


def read_vault(value: object, path: str) -> Vault:
    """Raises FieldInvalid, AddressInvalid."""
    names = {"salt", "owners", "threshold", "permit_signer", "limits", "destinations", "freezers"}
    members = Members(value, path, names, frozenset({"adopted"}))
    owners, threshold = _people(members)
    vault = Vault(
        salt=members.hash32("salt"),
        owners=owners,
        threshold=threshold,
        permit_signer=members.address("permit_signer"),
        limits=read_limits(members),
        destinations=members.addresses("destinations"),
        freezers=read_freezers(members),
        adopted=members.address("adopted") if "adopted" in members else None,
    )
    if vault.adopted is not None and vault.salt != NO_SALT:
        raise members.fail("salt", "must be zero for a Safe that was taken in: it makes no address")
    if vault.permit_signer in owners:
        raise members.fail("permit_signer", "must not be an owner: people and the signer both sign")
    return vault


def vault_document(vault: Vault) -> dict[str, Any]:
    """What `read_vault` reads."""
    document: dict[str, Any] = {
        "salt": to_hex(vault.salt),
        "owners": _texts(vault.owners),
        "threshold": vault.threshold,
        "permit_signer": checksum(vault.permit_signer),
        "limits": limits_document(vault.limits),
        "destinations": _texts(vault.destinations),
        "freezers": _texts(vault.freezers),
    }
    if vault.adopted is not None:
        document["adopted"] = checksum(vault.adopted)
    return document


def read_controls(value: object, path: str) -> Controls:
    """Raises FieldInvalid, AddressInvalid."""
    names = {"owners", "threshold", "guard", "permit_signer", "freezers"}
    members = Members(value, path, names)
    owners, threshold = _people(members)
    controls = Controls(
        owners=owners,
        threshold=threshold,
        guard=members.address("guard"),
        permit_signer=members.address("permit_signer"),
        freezers=read_freezers(members),
    )
    if controls.permit_signer in owners:
        raise members.fail("permit_signer", "must not be an owner: people and the signer both sign")
    return controls


def controls_document(controls: Controls | None) -> dict[str, Any] | None:
    """What `read_controls` reads."""
    if controls is None or controls.guard is None:
        return None
    return {
        "owners": _texts(controls.owners),
        "threshold": controls.threshold,
        "guard": checksum(controls.guard),
        "permit_signer": checksum(controls.permit_signer),
        "freezers": _texts(controls.freezers),
    }


def read_limits(members: Members) -> tuple[AssetLimit, ...]:
    """The member "limits", ascending. Raises FieldInvalid, AddressInvalid."""
    limits = members.list("limits", _limit)
    if [limit.token or ZERO for limit in limits] != sorted({one.token or ZERO for one in limits}):
        raise members.fail("limits", "must be ascending by token, each once, null first")
    return limits


def limits_document(limits: Iterable[AssetLimit]) -> list[dict[str, Any]]:
    """What `read_limits` reads."""
    return [
        {
            "token": None if limit.token is None else checksum(limit.token),
            "day_units": str(limit.day_units),
        }
        for limit in limits
    ]


def read_day_units(members: Members) -> int:
    """The member "day_units", as much as a guard can keep. Raises FieldInvalid."""
    units = members.units("day_units")
    if units > DAY_UNITS_MAX:
        raise members.fail("day_units", "a guard's limit is below 2^128")
    return units


def read_freezers(members: Members) -> tuple[Address, ...]:
    """The member "freezers", as many as a guard can keep. Raises FieldInvalid, AddressInvalid."""
    freezers = members.addresses("freezers")
    if len(freezers) > FREEZERS_MAX:
        raise members.fail("freezers", f"a guard keeps {FREEZERS_MAX} at most")
    return freezers


def _people(members: Members) -> tuple[tuple[Address, ...], int]:
    owners = members.addresses("owners", minimum=1)
    return owners, members.integer("threshold", 1, len(owners))


def _limit(value: object, path: str) -> AssetLimit:
    members = Members(value, path, {"token", "day_units"})
    return AssetLimit(members.address_or_none("token"), read_day_units(members))


def _texts(addresses: Iterable[Address]) -> list[str]:
    return [checksum(address) for address in addresses]

"""What stands on a vault: which guard, which permit key, whose signatures. A policy says what the
vault shall become, the chain follows days later, and this signer has no network. So a request may
name what is installed: anything that a policy in force has named until now, nothing else. A Permit
for what is not installed is void on chain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.controls import Controls, founded
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.permit import Permit
from strongroom_protocol.quorum import signers_of
from strongroom_protocol.signatures import Signature
from strongroom_signer.agreement import agreed_permit
from strongroom_signer.authority.organisations import Organisation, controls_until
from strongroom_signer.errors import require
from strongroom_signer.house import House, Plan

INSTALLED = frozenset({"installed"})


@dataclass(frozen=True, slots=True)
class Installed:
    """The guard that verifies a Permit, and the key that it wants it from."""

    guard: Address
    permit_signer: Address


def read_installed(house: House, organisation: Organisation, members: Members) -> Installed:
    """The optional member `installed`; without it, what the active policy asks for."""
    control, platform = organisation.bundle.control, house.deployment.guard
    if "installed" not in members:
        return _held(house, Installed(control.guard or platform, control.permit_signer))
    named = members.part("installed", _installed)
    until_now = _until_now(house, organisation)
    require(
        named.guard in {platform, *(one.guard for one in until_now)},
        "guard_unknown",
        f"{checksum(named.guard)} was never the guard of this vault by any policy",
    )
    require(
        named.permit_signer in {one.permit_signer for one in until_now},
        "permit_signer_unknown",
        f"{checksum(named.permit_signer)} was never this vault's permit signer by any policy",
    )
    return _held(house, named)


def check_owners(
    house: House, organisation: Organisation, tx_hash: bytes, signatures: Iterable[Signature]
) -> None:
    """Returns if as many owners as the policy's threshold signed, those before it included: they
    hand the vault over. Which of them count on chain, the chain knows. Raises Refused,
    BundleRefused (twice), SignatureInvalid.
    """
    signed, known = signers_of(tx_hash, signatures), owners_until_now(house, organisation)
    for address in sorted(signed):
        require(
            address in known,
            "owner_unknown",
            f"{checksum(address)} is no owner of the vault, or signed other bytes",
        )
    threshold = organisation.bundle.control.threshold
    require(
        len(signed) >= threshold,
        "approvals_missing",
        f"{len(signed)} of {threshold} owners have signed",
    )


def owners_until_now(house: House, organisation: Organisation) -> frozenset[Address]:
    """Who is or was an owner by a policy in force, without the keys that were revoked."""
    owners = {owner for one in _until_now(house, organisation) for owner in one.owners}
    return frozenset(owners - organisation.revoked)


def controls_before(house: House, organisation: Organisation) -> Controls:
    """What the vault comes from: the last controls of a policy that differ from the active ones."""
    control = organisation.bundle.control
    before = [one for one in _until_now(house, organisation) if one != control]
    return before[-1] if before else control


def sign_permit(house: House, vault: Address, installed: Installed, plan: Plan) -> Plan:
    """The Permit for the plan's Safe transaction, as an answer."""
    permit = Permit(
        vault,
        bytes.fromhex(plan["safe_tx_hash"][2:]),
        plan["policy_version"],
        plan["valid_until"],
    )
    digest = agreed_permit(house.config.chain_id, installed.guard, permit)
    signature = house.keyring.permit(digest, installed.permit_signer)
    return {
        "safe_tx_hash": plan["safe_tx_hash"],
        "policy_version": plan["policy_version"],
        "valid_until": plan["valid_until"],
        "guard": checksum(installed.guard),
        "permit_signer": checksum(installed.permit_signer),
        "permit_signature": to_hex(signature.to_bytes()),
    }


def _until_now(house: House, organisation: Organisation) -> tuple[Controls, ...]:
    """Oldest first, each version's; the founding controls begin it."""
    return (founded(organisation.bundle.vault), *controls_until(house, organisation))


def _installed(value: object, path: str) -> Installed:
    members = Members(value, path, {"guard", "permit_signer"})
    return Installed(members.address("guard"), members.address("permit_signer"))


def _held(house: House, installed: Installed) -> Installed:
    require(
        house.keyring.holds_permit(installed.permit_signer),
        "permit_key_missing",
        f"this signer's token does not hold the permit key {checksum(installed.permit_signer)}",
    )
    return installed

"""Steps that bring a vault to what its policy says, as the service would ask for them."""

from collections.abc import Sequence
from typing import Any

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.authority import parse_bundle
from strongroom_protocol.safe import SafeTx, safe_tx_hash
from strongroom_protocol.vault_changes import (
    Change,
    change_document,
    change_safe_tx,
    guard_as_signed,
)
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import CHAIN_ID, Company, Key

FIRST_OWNER = Address(bytes(19) + b"\x01")
NEW_GUARD = Address(b"\x9a" * 20)
FREEZER = Key.named("freezer")


def controls(company: Company, desk: Desk, **changes: Any) -> dict[str, Any]:
    """The controls that the vault was founded with, and what shall be other than that."""
    vault = company.bundle["vault"]
    names = ("owners", "threshold", "permit_signer", "freezers")
    guard = {"guard": checksum(desk.house.deployment.guard)}
    return {**{name: vault[name] for name in names}, **guard, **changes}


def govern(desk: Desk, company: Company, **changes: Any) -> None:
    """The next policy, with these controls, in force."""
    adopt(desk, company, controls=controls(company, desk, **changes))


def adopt(desk: Desk, company: Company, **changes: Any) -> None:
    """The next policy, in force."""
    bundle = company.next_bundle(**changes)
    known = {person["id"] for person in company.bundle["people"]}
    newcomers = [FREEZER for person in bundle["people"] if person["id"] not in known]
    desk.get("policy_update", company.policy_update(bundle, [*company.administrators, *newcomers]))
    company.bundle = bundle
    desk.clock.advance(desk.house.config.loosening_seconds)
    company.now = desk.clock.now()


def step(
    desk: Desk,
    company: Company,
    change: Change,
    phase: str = "execute",
    *,
    nonce: int = 0,
    signers: Sequence[Key] | None = None,
    guard: Address | None = None,
) -> dict[str, Any]:
    """The request, signed by two owners over the transaction that follows from it."""
    deployment, vault = desk.house.deployment, desk.vault(company)
    tx = change_safe_tx(change, phase, nonce, vault, guard or deployment.guard, deployment)
    return signed(company, change, phase, tx, vault, signers)


def signed(
    company: Company,
    change: Change,
    phase: str,
    tx: SafeTx,
    vault: Address,
    signers: Sequence[Key] | None = None,
) -> dict[str, Any]:
    """The request with owners' signatures over any transaction."""
    digest = safe_tx_hash(CHAIN_ID, vault, tx)
    keys = company.approvers[:2] if signers is None else signers
    return {
        "organisation": company.reference,
        "safe_nonce": tx.nonce,
        "phase": phase,
        "change": change_document(change),
        "signatures": [key.sign(digest) for key in keys],
    }


def new_guard(desk: Desk, company: Company) -> Change:
    """The guard that the active policy asks for, with its lists."""
    return guard_as_signed(parse_bundle(company.bundle), desk.house.deployment)

"""Vaults and the platform that they stand on. Every address is computed, none is taken on trust."""

from typing import Final, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef
from strongroom.policy import service as policy
from strongroom.relay import service as relay
from strongroom.relay.types import FeeCap
from strongroom.vaults import errors
from strongroom.vaults.models import PlatformRow, Vault
from strongroom.vaults.types import Platform, VaultView
from strongroom.wallets import service as wallets
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.authority import Bundle
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256

CREATION_GAS: Final = 700_000
CREATION_ENTRY_GAS: Final = 60_000
"""Generous: unused gas is not paid for, and a creation that runs out of it has to be made anew."""


def request(uow: UnitOfWork) -> VaultView:
    """Have the organisation's vault made on chain; again, it answers the one that is there. A Safe
    that the policy takes in is not made: its vault is active once it is seen under guard.

    Needs an active policy, whose people become the owners. Raises NoneActive, PlatformMissing.
    """
    organisation_id = _own(uow)
    found = find(uow, organisation_id)
    if found is not None:
        return found.view()
    active = policy.active(uow, organisation_id)
    bundle = active.bundle
    deployment = platform(uow, bundle.chain_id).deployment
    address = deployment.vault_address(bundle)
    row = Vault(
        organisation_id=organisation_id,
        id=uow.new_id(),
        chain_id=bundle.chain_id,
        address=address,
        sweeper=deployment.sweeper_address(address),
        policy_version=active.version,
        owners=[checksum(owner) for owner in bundle.vault.owners],
        threshold=bundle.vault.threshold,
        state="requested",
        creation_id=None
        if bundle.vault.adopted is not None
        else _outgoing(uow, organisation_id, "vault_creation", bundle),
        delegate_id=_outgoing(uow, organisation_id, "delegate_deployment", bundle),
        created_at=uow.now,
        updated_at=uow.now,
    )
    uow.session.add(row)
    wallets.watch(
        uow,
        chain_id=row.chain_id,
        address=address,
        kind="vault",
        organisation_id=organisation_id,
    )
    custody = wallets.custody_code(row.chain_id, address)
    assets = [token.asset.code for token in bundle.tokens]
    ledger.open_accounts(uow, [AccountRef(organisation_id, custody, asset) for asset in assets])
    body = {
        "address": checksum(address),
        "sweeper": checksum(row.sweeper),
        "owners": row.owners,
        "threshold": row.threshold,
        "policy_version": active.version,
    }
    auditlog.append(uow, "vault.requested", str(row.id), body)
    return row.view()


def get(uow: UnitOfWork) -> VaultView:
    """The vault of the unit's organisation. Raises VaultUnknown."""
    return get_of(uow, _own(uow))


def get_of(uow: UnitOfWork, organisation_id: UUID) -> VaultView:
    """The vault of an organisation, for processes that serve all. Raises VaultUnknown."""
    row = find(uow, organisation_id)
    if row is None:
        raise errors.VaultUnknown(
            "The organisation has no vault yet; ask for one once its policy is active."
        )
    return row.view()


def find(uow: UnitOfWork, organisation_id: UUID) -> Vault | None:
    """The organisation's vault row, if there is one."""
    return uow.session.scalars(
        select(Vault).where(Vault.organisation_id == organisation_id)
    ).one_or_none()


def lock(uow: UnitOfWork, organisation_id: UUID) -> Vault:
    """The vault's row, locked: whoever gives out Safe nonces goes through here.

    Raises VaultUnknown.
    """
    row = uow.session.scalars(
        select(Vault)
        .where(Vault.organisation_id == organisation_id)
        .with_for_update(key_share=True)
    ).one_or_none()
    if row is None:
        raise errors.VaultUnknown("The organisation has no vault yet.")
    return row


def platform(uow: UnitOfWork, chain_id: int) -> Platform:
    """What is deployed on the chain. Raises PlatformMissing."""
    row = uow.session.get(PlatformRow, chain_id)
    if row is None:
        raise errors.PlatformMissing(
            f"Chain {chain_id} has no platform contracts on record; the custodian runs "
            "`strongroom deploy` once, then this can be sent again."
        )
    return Platform(chain_id, Address(row.relay), Address(row.permit_signer), row.store_epoch)


def record_platform(uow: UnitOfWork, found: Platform) -> None:
    """Keep what was deployed, and the signer's present epoch and permit key. Raises PlatformDiffers
    when the chain's contracts belong to another relay.
    """
    row = uow.session.get(PlatformRow, found.chain_id)
    if row is not None and row.relay != found.relay:
        raise errors.PlatformDiffers(
            "The signer has another relay key than the one that this chain's contracts were made "
            "for. Connect the signer that they belong to."
        )
    values = {
        "permit_signer": found.permit_signer,
        "store_epoch": found.store_epoch,
        "checked_at": uow.now,
    }
    written = insert(PlatformRow).values(
        chain_id=found.chain_id,
        relay=found.relay,
        deployed_at=uow.now,
        **values,
    )
    uow.session.execute(written.on_conflict_do_update(index_elements=["chain_id"], set_=values))


def _outgoing(uow: UnitOfWork, organisation_id: UUID, purpose: str, bundle: Bundle) -> UUID:
    ref = keccak256(
        f"strongroom.{purpose}".encode() + bundle.organisation + bundle.chain_id.to_bytes(8, "big")
    )
    return relay.enqueue(
        uow,
        organisation_id,
        "vault_creation" if purpose == "vault_creation" else "delegate_deployment",
        ref,
        {"organisation": to_hex(bundle.organisation)},
        chain_id=bundle.chain_id,
        cap=FeeCap(bundle.max_fee_per_gas_wei, bundle.max_total_fee_wei),
        gas=_creation_gas(bundle) if purpose == "vault_creation" else None,
    )


def _creation_gas(bundle: Bundle) -> int:
    """A slot or two for each person, asset and destination, beside the proxy and its guard."""
    vault = bundle.vault
    lists = (vault.owners, vault.limits, vault.destinations, vault.freezers)
    entries = sum(len(one) for one in lists)
    return CREATION_GAS + entries * CREATION_ENTRY_GAS


def _own(uow: UnitOfWork) -> UUID:
    check(uow.organisation_id is not None, "a vault belongs to one organisation")
    return cast(UUID, uow.organisation_id)

"""Accounts and addresses: registered from a ceremony, given out only when everything agrees.

Nothing here talks to the signer or a node: the caller brings what they said.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.kit.log import logger
from strongroom.kit.metrics import gauge
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef
from strongroom.wallets import rules
from strongroom.wallets.chains import name_coin, native_asset
from strongroom.wallets.errors import (
    AccountNameInvalid,
    AccountTaken,
    AccountUnknown,
    IndexTaken,
    PoolEmpty,
    ProvenanceInvalid,
    ReferenceTaken,
)
from strongroom.wallets.freezes import freeze, freezes, is_frozen, lift_freeze
from strongroom.wallets.models import WalletAccount, WalletAddress
from strongroom.wallets.rules import custody_code
from strongroom.wallets.types import (
    AccountView,
    AddressView,
    Attribution,
    Officers,
    Provenance,
    Reuse,
)
from strongroom.wallets.watching import (
    activate,
    allow_token,
    attributions,
    begun,
    complete,
    complete_after,
    held_alike,
    holdings,
    late_scans,
    pending,
    record_delegations,
    record_scan,
    token_chains,
    tokens,
    watch,
    watched,
    watched_among,
    watched_count,
    watched_kinds,
)

__all__ = [
    "TREASURY",
    "account",
    "activate",
    "addresses",
    "allow_token",
    "attributions",
    "begun",
    "complete",
    "complete_after",
    "custody_code",
    "extend_account",
    "freeze",
    "freezes",
    "has_account",
    "held_alike",
    "holdings",
    "is_frozen",
    "late_scans",
    "lift_freeze",
    "name_coin",
    "native_asset",
    "new_address",
    "next_index",
    "pending",
    "record_delegations",
    "record_scan",
    "register_account",
    "token_chains",
    "tokens",
    "watch",
    "watched",
    "watched_among",
    "watched_count",
    "watched_kinds",
]

log = logger(__name__)
TREASURY: Final = "client:treasury"
REFILL_AT: Final = 5
"""Officers are told when one address in so many is left."""


def register_account(
    uow: UnitOfWork,
    *,
    ceremony_output: Mapping[str, object],
    officer_signatures: Sequence[bytes],
    officers: Officers,
    chain_id: int,
) -> AccountView:
    """Take over an account from the key ceremony, for the unit's organisation.

    Raises CeremonyInvalid, OfficersMissing, AccountTaken, OrganisationUnknown.
    """
    organisation = identity.organisation(uow)
    ceremony = rules.read_ceremony(ceremony_output)
    if organisation.account_index != ceremony.account_index:
        raise AccountTaken(
            f"The organisation's genesis names account {organisation.account_index}, the ceremony "
            f"made account {ceremony.account_index}."
        )
    digest = ceremony.manifest.digest(chain_id)
    rules.check_officers(digest, officer_signatures, officers)
    added = uow.session.execute(
        insert(WalletAccount)
        .values(
            organisation_id=organisation.id,
            id=uow.new_id(),
            chain_id=chain_id,
            account_index=ceremony.account_index,
            xpub=ceremony.xpub,
            xpub_hash=ceremony.manifest.xpub_hash,
            manifest_root=ceremony.manifest.root,
            manifest_count=ceremony.manifest.count,
            manifest_digest=digest,
            officer_signatures=list(officer_signatures),
            next_index=0,
            created_at=uow.now,
        )
        .on_conflict_do_nothing()
        .returning(WalletAccount.id)
    ).scalar_one_or_none()
    if added is None:
        raise AccountTaken("The organisation or the account index has an account already.")
    auditlog.append(uow, "wallets.account_registered", str(added), _account_record(ceremony))
    return AccountView(
        ceremony.account_index, ceremony.manifest.count, bytes(ceremony.manifest.root)
    )


def extend_account(
    uow: UnitOfWork,
    *,
    ceremony_output: Mapping[str, object],
    officer_signatures: Sequence[bytes],
    officers: Officers,
) -> AccountView:
    """Take over a refill: more addresses of the same account, those before them unchanged.

    The signer must have taken it before. Raises CeremonyInvalid, OfficersMissing, AccountUnknown.
    """
    row = _account(uow)
    ceremony = rules.read_ceremony(ceremony_output)
    rules.check_refill(
        ceremony_output,
        ceremony,
        account_index=row.account_index,
        xpub_hash=row.xpub_hash,
        manifest_root=row.manifest_root,
        manifest_count=row.manifest_count,
    )
    digest = ceremony.manifest.digest(row.chain_id)
    rules.check_officers(digest, officer_signatures, officers)
    row.manifest_root, row.manifest_count = ceremony.manifest.root, ceremony.manifest.count
    row.manifest_digest, row.officer_signatures = digest, list(officer_signatures)
    auditlog.append(uow, "wallets.account_extended", str(row.id), _account_record(ceremony))
    return AccountView(row.account_index, row.manifest_count, bytes(row.manifest_root))


def has_account(uow: UnitOfWork) -> bool:
    """Whether the organisation's account was registered."""
    own = WalletAccount.organisation_id == uow.organisation_id
    return uow.session.scalars(select(WalletAccount.id).where(own)).one_or_none() is not None


def account(uow: UnitOfWork) -> AccountView:
    """The organisation's account. Raises AccountUnknown."""
    row = _account(uow)
    return AccountView(row.account_index, row.manifest_count, row.manifest_root)


def next_index(uow: UnitOfWork) -> int:
    """The index that the next address will have. Raises AccountUnknown, PoolEmpty."""
    row = _account(uow)
    if row.next_index >= row.manifest_count:
        raise PoolEmpty(
            f"All {row.manifest_count} addresses are given out. Officers add more by a ceremony; "
            "everything else goes on."
        )
    return row.next_index


def new_address(
    uow: UnitOfWork,
    *,
    provenance: Provenance,
    attest_key: bytes,
    label: str,
    client_account: str = TREASURY,
    customer_reference: str | None = None,
    reuse: Reuse = "credit",
) -> AddressView:
    """Give out the address at the organisation's next index, and watch it from now on.

    `provenance` is what the signer said of that index, asked before this unit; `attest_key` the
    20-byte address of the signer's attest key. `customer_reference`: the customer it is for, who
    keeps it for ever. Raises ProvenanceInvalid, IndexTaken (ask for the next index again),
    AccountUnknown, AccountNameInvalid, ReferenceTaken.
    """
    if not client_account.startswith("client:"):
        raise AccountNameInvalid("Deposits are credited to client accounts: client:<name>.")
    row = _account(uow)
    rules.check_provenance(
        provenance,
        account_index=row.account_index,
        xpub=row.xpub,
        manifest_root=row.manifest_root,
        manifest_count=row.manifest_count,
        organisation_ref=identity.organisation(uow).ref,
        attest_key=attest_key,
        chain_id=row.chain_id,
    )
    if provenance.root != row.manifest_root:
        raise ProvenanceInvalid("The signer's manifest is another than the one registered here.")
    _check_reference(uow, customer_reference)
    _claim_index(uow, row, provenance.index)
    whose = Attribution(client_account, customer_reference, reuse)
    address = _address(uow, row, provenance, label, whose)
    uow.session.add(address)
    watch(
        uow,
        chain_id=row.chain_id,
        address=provenance.address,
        kind="deposit",
        organisation_id=row.organisation_id,
    )
    ledger.open_accounts(
        uow, [AccountRef(row.organisation_id, client_account, asset) for asset in _assets(uow, row)]
    )
    left = row.manifest_count - provenance.index - 1
    _tell_pool(row, left)
    body = {
        "path": provenance.path,
        "address": "0x" + provenance.address.hex(),
        "label": label,
        "customer_reference": customer_reference,
        "reuse": reuse,
        "addresses_left": left,
    }
    auditlog.append(uow, "wallets.address_given_out", str(address.id), body)
    return _view(address)


def addresses(
    uow: UnitOfWork,
    *,
    among: Collection[bytes] | None = None,
    customer_reference: str | None = None,
) -> list[AddressView]:
    """The organisation's deposit addresses by index; or those `among` some, or a customer's."""
    query = select(WalletAddress).where(WalletAddress.organisation_id == uow.organisation_id)
    if among is not None:
        query = query.where(WalletAddress.address.in_(sorted(among)))
    if customer_reference is not None:
        query = query.where(WalletAddress.customer_reference == customer_reference)
    return [_view(row) for row in uow.session.scalars(query.order_by(WalletAddress.address_index))]


def _account(uow: UnitOfWork) -> WalletAccount:
    row = uow.session.scalars(
        select(WalletAccount).where(WalletAccount.organisation_id == uow.organisation_id)
    ).one_or_none()
    if row is None:
        raise AccountUnknown(
            "The organisation has no account yet: run the key ceremony and register its output."
        )
    return row


def _address(
    uow: UnitOfWork, row: WalletAccount, provenance: Provenance, label: str, whose: Attribution
) -> WalletAddress:
    return WalletAddress(
        organisation_id=row.organisation_id,
        id=uow.new_id(),
        account_id=row.id,
        chain_id=row.chain_id,
        address_index=provenance.index,
        path=provenance.path,
        address=provenance.address,
        label=label,
        client_account=whose.client_account,
        manifest_proof=list(provenance.proof),
        manifest_root=provenance.root,
        manifest_count=row.manifest_count,
        provenance_signature=provenance.signature,
        delegated_at=None,
        created_at=uow.now,
        customer_reference=whose.customer_reference,
        reuse=whose.reuse,
    )


def _check_reference(uow: UnitOfWork, customer_reference: str | None) -> None:
    """Check: nobody else's. Of two requests at once the index lets one through."""
    if customer_reference is None:
        return
    found = uow.session.scalars(
        select(WalletAddress.address).where(
            WalletAddress.organisation_id == uow.organisation_id,
            WalletAddress.customer_reference == customer_reference,
        )
    ).one_or_none()
    if found is not None:
        raise ReferenceTaken(
            f"{customer_reference} has the address 0x{found.hex()} already and keeps it for ever; "
            "give that one out again, or name another reference."
        )


def _claim_index(uow: UnitOfWork, row: WalletAccount, index: int) -> None:
    """Move next_index on from exactly this index: of two requests one gets it."""
    claimed = uow.session.execute(
        update(WalletAccount)
        .where(
            WalletAccount.organisation_id == row.organisation_id,
            WalletAccount.id == row.id,
            WalletAccount.next_index == index,
        )
        .values(next_index=index + 1)
        .returning(WalletAccount.next_index)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if claimed is None:
        raise IndexTaken(f"Index {index} is not the next one any more; ask for the next again.")


def _tell_pool(row: WalletAccount, left: int) -> None:
    """At a fifth left officers should refill: a ceremony takes days to arrange."""
    gauge("strongroom_wallets_addresses_left", "Addresses not given out.", ("account",)).labels(
        str(row.account_index)
    ).set(left)
    if left == row.manifest_count // REFILL_AT:
        log.warning("wallets.pool_low", account_index=row.account_index, addresses_left=left)


def _assets(uow: UnitOfWork, row: WalletAccount) -> list[str]:
    named = [token.asset for token in tokens(uow, row.chain_id) if _own(token.organisation_id, row)]
    return [native_asset(uow, row.chain_id), *sorted(named)]


def _own(organisation_id: UUID, row: WalletAccount) -> bool:
    return organisation_id == row.organisation_id


def _account_record(ceremony: rules.Ceremony) -> dict[str, Any]:
    return {
        "account_index": ceremony.account_index,
        "manifest_root": "0x" + ceremony.manifest.root.hex(),
        "count": ceremony.manifest.count,
        "xpub_hash": "0x" + ceremony.manifest.xpub_hash.hex(),
    }


def _view(row: WalletAddress) -> AddressView:
    return AddressView(
        id=row.id,
        index=row.address_index,
        path=row.path,
        address=row.address,
        label=row.label,
        client_account=row.client_account,
        provenance_signature=row.provenance_signature,
        manifest_proof=tuple(row.manifest_proof),
        manifest_root=row.manifest_root,
        manifest_count=row.manifest_count,
        created_at=row.created_at,
        delegated_at=row.delegated_at,
        customer_reference=row.customer_reference,
        reuse=cast("Reuse", row.reuse),
    )

"""Tables of wallets."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base


class WalletAccount(Base):
    """An organisation's hardened account, watch only, as the key ceremony gave it."""

    __tablename__ = "wallet_account"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    """The chain in whose EIP-712 domain the officers signed."""
    account_index: Mapped[int] = mapped_column(Integer)
    xpub: Mapped[str]
    """Confidential: with one leaf key it gives the parent key."""
    xpub_hash: Mapped[bytes]
    manifest_root: Mapped[bytes]
    """RFC 6962 root over (path, address) of all addresses whose keys exist."""
    manifest_count: Mapped[int] = mapped_column(Integer)
    manifest_digest: Mapped[bytes]
    """What the officers signed: EIP-712 digest of CustodyManifest."""
    officer_signatures: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    next_index: Mapped[int] = mapped_column(Integer)
    """The lowest index that was not given out."""
    created_at: Mapped[datetime]


class WalletAddress(Base):
    """A deposit address that was given out."""

    __tablename__ = "wallet_address"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    chain_id: Mapped[int]
    address_index: Mapped[int] = mapped_column(Integer)
    path: Mapped[str]
    address: Mapped[bytes]
    label: Mapped[str]
    client_account: Mapped[str]
    """The ledger account that cleared deposits are credited to."""
    manifest_proof: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    """RFC 9162 inclusion proof, from the leaf up."""
    manifest_root: Mapped[bytes]
    """The manifest's when the address was given out: a refill makes another one."""
    manifest_count: Mapped[int] = mapped_column(Integer)
    provenance_signature: Mapped[bytes]
    """By the signer's attest key over AddressProvenance."""
    delegated_at: Mapped[datetime | None]
    """When a finalized sweep set the EIP-7702 delegate; until then sweeps authorise it."""
    created_at: Mapped[datetime]
    customer_reference: Mapped[str | None]
    """The customer it was given to: one address a reference, for ever."""
    reuse: Mapped[str]
    """Deposits after the first: credit them, or hold them until people accept."""


class WatchedAddress(Base):
    """What the indexer looks for."""

    __tablename__ = "watched_address"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    address: Mapped[bytes]
    kind: Mapped[str]
    custody_code: Mapped[str]
    active_height: Mapped[int | None]
    """Matched in every block above; None until the indexer took it up."""
    scan_from_height: Mapped[int | None]
    """Blocks from here to active_height are read again for this address; None = not wanted."""
    scanned_height: Mapped[int | None]
    """How far that came."""
    created_at: Mapped[datetime]


class WatchedToken(Base):
    """A token that the organisation's signed policy names."""

    __tablename__ = "watched_token"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    contract: Mapped[bytes]
    asset: Mapped[str]
    created_at: Mapped[datetime]


class WatchedChain(Base):
    """A chain that the house serves. Written once, never changed."""

    __tablename__ = "watched_chain"

    chain_id: Mapped[int] = mapped_column(primary_key=True)
    native_asset: Mapped[str]
    """The code of the chain's own coin, no other chain's."""
    created_at: Mapped[datetime]


class CustodyFreeze(Base):
    """A custody account that nothing may leave while lifted_at is empty."""

    __tablename__ = "custody_freeze"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    custody_code: Mapped[str]
    asset: Mapped[str]
    reason: Mapped[str]
    frozen_at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]

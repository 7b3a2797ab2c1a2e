"""Tables of deposits."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Identity, Integer
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base, Units, UnitsType
from strongroom.deposits.terms import Level
from strongroom.deposits.types import ChainState, DepositView, Disposition


class Deposit(Base):
    """A transfer to one of our addresses, in the block that carried it."""

    __tablename__ = "deposit"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    height: Mapped[int]
    block_hash: Mapped[bytes]
    sighting: Mapped[int] = mapped_column(Integer)
    """Which appearance of the block; 1 unless it came back after a reorganisation."""
    tx_hash: Mapped[bytes]
    position: Mapped[int] = mapped_column(Integer)
    """Log index, or -1 - trace index for native value."""
    kind: Mapped[str]
    token: Mapped[bytes | None]
    """The contract; None for the chain's own coin."""
    asset: Mapped[str | None]
    """None for a token that the organisation's policy does not name: kept, never credited."""
    units: Mapped[Units]
    payer: Mapped[bytes]
    address: Mapped[bytes]
    address_kind: Mapped[str]
    custody_code: Mapped[str]
    client_account: Mapped[str]
    """Whom it is credited to once it is clear."""
    chain_state: Mapped[str]
    disposition: Mapped[str]
    booking_key: Mapped[str | None]
    """The posting custody against suspense."""
    settlement_key: Mapped[str | None]
    """The posting suspense to client or quarantine."""
    screening_request_id: Mapped[UUID | None]
    sweep_id: Mapped[UUID | None]
    swept_at: Mapped[datetime | None]
    swept_block_hash: Mapped[bytes | None]
    """The block in which it moved on into the vault."""
    seen_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    finalized_at: Mapped[datetime | None]
    orphaned_at: Mapped[datetime | None]
    customer_reference: Mapped[str | None]
    """Whose address it was when it came."""
    confirmations: Mapped[int] = mapped_column(Integer)
    level: Mapped[str]
    """What its credit waits for: so many blocks, and confirmed, safe or final."""
    awaits: Mapped[str | None]
    """The same for people, with why."""
    cleared_at: Mapped[datetime | None]
    """Screening is satisfied, the rest is not yet."""
    held: Mapped[str | None]
    """reuse: a second payment to a single-use address; dust: waits for more at the same address;
    no_payer: a mint, or a withdrawal from the beacon chain, that compliance has not accepted yet.
    """

    def view(self) -> DepositView:
        """As other rooms see it."""
        return DepositView(
            id=self.id,
            state=self._state(),
            chain_state=cast("ChainState", self.chain_state),
            disposition=cast("Disposition", self.disposition),
            asset=self.asset,
            token=self.token,
            units=self.units,
            address=self.address,
            client_account=self.client_account,
            payer=self.payer,
            tx_hash=self.tx_hash,
            position=self.position,
            height=self.height,
            block_hash=self.block_hash,
            seen_at=self.seen_at,
            confirmed_at=self.confirmed_at,
            settled_at=self.settled_at,
            finalized_at=self.finalized_at,
            swept_at=self.swept_at,
            customer_reference=self.customer_reference,
            confirmations=self.confirmations,
            level=cast("Level", self.level),
            awaits=self.awaits,
            held=self.held,
        )

    def _state(self) -> str:
        if self.chain_state == "orphaned":
            return "reversed"
        if self.swept_at is not None:
            return "swept"
        if self.chain_state == "seen":
            return "seen"
        return self.held or self.disposition


class DepositTransition(Base):
    """A change of state, kept."""

    __tablename__ = "deposit_transition"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(Identity(always=True))
    """Rising in the order of writing."""
    deposit_id: Mapped[UUID]
    state: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class Sweep(Base):
    """One transaction that takes cleared deposits into the vault."""

    __tablename__ = "sweep"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    ref: Mapped[bytes]
    """The outgoing transaction's reference."""
    outgoing_id: Mapped[UUID | None]
    state: Mapped[str]
    """planned, then finished (final on chain) or abandoned (never mined)."""
    planned_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    kind: Mapped[str]
    """batch: many addresses by EIP-7702. leaf: one address by itself."""
    address: Mapped[bytes | None]
    """A leaf's; outgoing_id is there once it was fed."""
    feed_id: Mapped[UUID | None]
    """The transaction that brings it gas money; None where it has enough."""


class DepositRule(Base):
    """What deposits must have before they are credited; ended, never changed."""

    __tablename__ = "deposit_rule"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    """HOUSE: for every organisation."""
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    chain_id: Mapped[int | None]
    asset: Mapped[str | None]
    units: Mapped[Units]
    confirmations: Mapped[int] = mapped_column(Integer)
    level: Mapped[str]
    set_at: Mapped[datetime]
    set_by: Mapped[str]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


class SweepSchedule(Base):
    """When deposit addresses are swept, and at what price; the newest row counts."""

    __tablename__ = "sweep_schedule"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    minimums: Mapped[dict[str, Any]]
    interval_seconds: Mapped[int] = mapped_column(Integer)
    window_from_minute: Mapped[int | None] = mapped_column(Integer)
    window_to_minute: Mapped[int | None] = mapped_column(Integer)
    max_fee_per_gas_wei: Mapped[int | None] = mapped_column(UnitsType())
    set_at: Mapped[datetime]
    set_by: Mapped[str]

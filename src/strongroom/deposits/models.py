"""Tables of deposits."""

from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Identity, Integer
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base, Units
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
        )

    def _state(self) -> str:
        if self.chain_state == "orphaned":
            return "reversed"
        if self.swept_at is not None:
            return "swept"
        return "seen" if self.chain_state == "seen" else self.disposition


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
    outgoing_id: Mapped[UUID]
    state: Mapped[str]
    """planned, then finished (final on chain) or abandoned (never mined)."""
    planned_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

"""Tables of vaults (migration 0011)."""

from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base
from strongroom.vaults.types import VaultState, VaultView
from strongroom_protocol.addresses import Address


class PlatformRow(Base):
    """What `strongroom deploy` made, one row a chain; of no organisation."""

    __tablename__ = "platform"

    chain_id: Mapped[int] = mapped_column(primary_key=True)
    relay: Mapped[bytes]
    permit_signer: Mapped[bytes]
    store_epoch: Mapped[int]
    """The signer's epoch: intents bind it, so that a restored old store voids old approvals."""
    deployed_at: Mapped[datetime]
    checked_at: Mapped[datetime]


class Vault(Base):
    """The one vault of an organisation (issue 2); its address follows from the first bundle."""

    __tablename__ = "vault"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    address: Mapped[bytes]
    sweeper: Mapped[bytes]
    """The EIP-7702 delegate of its deposit addresses."""
    policy_version: Mapped[int]
    owners: Mapped[list[str]] = mapped_column(JSONB)
    threshold: Mapped[int] = mapped_column(Integer)
    state: Mapped[str]
    reason: Mapped[str | None]
    creation_id: Mapped[UUID]
    """The outgoing transaction that makes the Safe."""
    delegate_id: Mapped[UUID]
    """The outgoing transaction that makes the sweep delegate."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    active_at: Mapped[datetime | None]

    def view(self) -> VaultView:
        """What others may see of it."""
        return VaultView(
            id=self.id,
            chain_id=self.chain_id,
            address=Address(self.address),
            sweeper=Address(self.sweeper),
            owners=tuple(self.owners),
            threshold=self.threshold,
            state=cast(VaultState, self.state),
            reason=self.reason,
            created_at=self.created_at,
            active_at=self.active_at,
        )

"""Tables of vaults (migrations 0011 and 0020)."""

from datetime import datetime
from typing import Any, cast
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
    creation_id: Mapped[UUID | None]
    """The outgoing transaction that makes the Safe; none where an existing one was taken in."""
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


class VaultSnapshot(Base):
    """A vault's configuration as it stood on chain from `height` to `seen_height`."""

    __tablename__ = "vault_snapshot"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    vault_id: Mapped[UUID]
    configuration: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """`snapshots.document`: everything but block, balance and what was spent."""
    policy_version: Mapped[int]
    """The active bundle whose changes were asked about."""
    height: Mapped[int]
    taken_at: Mapped[datetime]
    seen_height: Mapped[int]
    seen_hash: Mapped[bytes]
    seen_time: Mapped[datetime]
    """The block's own time: what the guard's delays are measured by."""
    seen_at: Mapped[datetime]


class VaultStep(Base):
    """One Safe transaction of a governed change: announced, executed, or made at once."""

    __tablename__ = "vault_step"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    vault_id: Mapped[UUID]
    change: Mapped[dict[str, Any]] = mapped_column(JSONB)
    phase: Mapped[str]
    guard: Mapped[bytes]
    permit_signer: Mapped[bytes]
    """Guard and permit key that stand on chain: the Permit must be by that key, for that guard."""
    owners: Mapped[list[str]] = mapped_column(JSONB)
    threshold: Mapped[int] = mapped_column(Integer)
    policy_version: Mapped[int]
    safe_nonce: Mapped[int]
    safe_tx_hash: Mapped[bytes]
    rejection_hash: Mapped[bytes]
    """The rejection of the same nonce: whichever is mined ends the step."""
    state: Mapped[str]
    reason: Mapped[str]
    bound_at: Mapped[datetime | None]
    """From then on the nonce is its own: the signer may have signed for it."""
    turn: Mapped[int] = mapped_column(Integer)
    """How often it was put in line at the relay."""
    lease_until: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime | None]
    outgoing_id: Mapped[UUID | None]
    request_id: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class VaultEvent(Base):
    """What a Safe told of itself in a final block."""

    __tablename__ = "vault_event"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    vault_id: Mapped[UUID]
    height: Mapped[int]
    block_hash: Mapped[bytes]
    tx_hash: Mapped[bytes]
    position: Mapped[int] = mapped_column(Integer)
    """Of the event within its transaction."""
    contract: Mapped[bytes]
    """Who told it: the vault, or the factory that made it."""
    name: Mapped[str]
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    ours: Mapped[bool]
    """Whether a transaction or a step of ours ordered it."""
    at: Mapped[datetime]


class VaultStepSignature(Base):
    """An owner's signature over a step, or over its rejection."""

    __tablename__ = "vault_step_signature"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    step_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[bytes] = mapped_column(primary_key=True)
    signature: Mapped[bytes]
    created_at: Mapped[datetime]

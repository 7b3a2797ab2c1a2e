"""Tables of the relay (migration 0008). Triggers keep what may have been sent as it was sent."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base, Units, UnitsType
from strongroom.relay.types import VIEWED, OutgoingView, view_of


class Outgoing(Base):
    """One logical transaction: what it does never changes, its nonce is its own for ever."""

    __tablename__ = "outgoing"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    purpose: Mapped[str]
    ref: Mapped[bytes]
    """32 bytes: the id under which the signer keeps nonce and attempts."""
    payload: Mapped[dict[str, Any]]
    """The signer's fields for the purpose; evidence only, never an address to pay."""
    state: Mapped[str]
    sender: Mapped[bytes | None]
    nonce: Mapped[int | None]
    lease_until: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(Integer)
    """How often the row was claimed: the fence of a lease, not the number of signed forms."""
    due_at: Mapped[datetime]
    cancel_requested_at: Mapped[datetime | None]
    gas: Mapped[int | None]
    """Gas limit, where its owner knows better than the purpose says."""
    max_fee_per_gas_wei: Mapped[int | None] = mapped_column(UnitsType())
    """What the owner's policy allows for a unit of gas; none = the relay's own cap only."""
    fee_level: Mapped[str]
    max_total_fee_wei: Mapped[int | None] = mapped_column(UnitsType())
    """What the owner's policy, or the intent, allows for the whole transaction."""
    mined_hash: Mapped[bytes | None]
    mined_height: Mapped[int | None]
    mined_block_hash: Mapped[bytes | None]
    succeeded: Mapped[bool | None]
    """The receipt's status in the block where it stands now."""
    last_error: Mapped[str | None]
    """Why it waits, or why it failed: one sentence."""
    predicted: Mapped[list[dict[str, str]] | None] = mapped_column(JSONB)
    """Transfers that a node foretold before it was signed: {token, from, to, units}."""
    revert_reason: Mapped[str | None]
    """Why it was mined and did nothing, in the contract's own words, decoded."""
    request_id: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    def view(self) -> OutgoingView:
        """What others may see of it."""
        return view_of({name: getattr(self, name) for name in (*VIEWED, "payload")})


class OutgoingAttempt(Base):
    """One signed form of an outgoing transaction: the first, a bump, or a cancel."""

    __tablename__ = "outgoing_attempt"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    outgoing_id: Mapped[UUID] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str]
    gas: Mapped[int]
    max_fee_per_gas_wei: Mapped[Units]
    max_priority_fee_per_gas_wei: Mapped[Units]
    planned_at: Mapped[datetime]
    """Fees are chosen and kept before the signer is asked, so that a retry asks for the same."""
    refused: Mapped[str | None]
    """The signer's sentence, if it would not sign this one."""
    raw: Mapped[bytes | None]
    hash: Mapped[bytes | None]
    stored_at: Mapped[datetime | None]
    first_broadcast_at: Mapped[datetime | None]
    last_broadcast_at: Mapped[datetime | None]


class Purse(Base):
    """What nodes say of a key of ours; `cost_wei` is a usual transaction's, nonces are counts."""

    __tablename__ = "relay_purse"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[bytes] = mapped_column(primary_key=True)
    balance_wei: Mapped[Units]
    cost_wei: Mapped[Units]
    transactions_left: Mapped[int]
    mined_nonce: Mapped[int]
    pending_nonce: Mapped[int]
    finalized_nonce: Mapped[int]
    state: Mapped[str]
    since: Mapped[datetime]
    checked_at: Mapped[datetime]

"""The ledger's tables as SQLAlchemy sees them; written only by ledger_post (migration 0003)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Integer
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base, Units, UnitsType


class LedgerAccount(Base):
    """An account; its class follows from its code's prefix."""

    __tablename__ = "ledger_account"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    code: Mapped[str]
    """As in "custody:1:0x…", "client:treasury"."""
    asset: Mapped[str]
    """With its scale: "TUSD/6"."""
    debit_normal: Mapped[bool]
    """Whether debits add to it."""
    floored: Mapped[bool]
    """Whether it may never go below zero; then it is locked by whoever posts."""
    opened_at: Mapped[datetime]


class LedgerBalance(Base):
    """What an account's entries add up to: the one table here that changes."""

    __tablename__ = "ledger_balance"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(primary_key=True)
    floored: Mapped[bool]
    """Copied from the account, for the CHECK."""
    posted: Mapped[Units]
    """In the account's normal direction."""
    held: Mapped[Units]
    """Reserved by holds that are not resolved."""
    version: Mapped[int]
    """How many entries it has."""
    frozen: Mapped[bool]
    """Nothing may go out: a reversal took more than there was."""
    last_booked_at: Mapped[datetime]
    """An account's entries never go back in time."""


class LedgerTransaction(Base):
    """One posting with its key; append-only."""

    __tablename__ = "ledger_transaction"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str]
    """Unique in the organisation for ever."""
    body_hash: Mapped[bytes]
    """rules.body_hash of the posting."""
    kind: Mapped[str]
    """What it was for, such as "deposit.seen"."""
    phase: Mapped[str]
    """single, hold, post, void, expire, reversal."""
    refers_to: Mapped[UUID | None]
    """The hold or the original."""
    expires_at: Mapped[datetime | None]
    """From when a hold may be expired."""
    chain_id: Mapped[int | None]
    block_height: Mapped[int | None]
    block_hash: Mapped[bytes | None]
    memo: Mapped[dict[str, Any] | None]
    """Texts for people."""
    booked_at: Mapped[datetime]


class LedgerPosting(Base):
    """A leg; append-only."""

    __tablename__ = "ledger_posting"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)
    """From 1, in the posting's order."""
    debit_account: Mapped[int]
    credit_account: Mapped[int]
    asset: Mapped[str]
    units: Mapped[Units]
    """Moved from credit to debit; for a void or an expire: given back."""
    phase: Mapped[str]
    chain_id: Mapped[int | None]
    block_height: Mapped[int | None]
    block_hash: Mapped[bytes | None]
    debit_version: Mapped[int | None]
    """The entry's number in the debit account; NULL without a floor or without a move."""
    debit_after: Mapped[int | None] = mapped_column(UnitsType())
    """The debit account's balance after it."""
    credit_version: Mapped[int | None]
    credit_after: Mapped[int | None] = mapped_column(UnitsType())
    booked_at: Mapped[datetime]


class LedgerUnfolded(Base):
    """Entries of accounts without a floor that wait to be folded into their balance."""

    __tablename__ = "ledger_unfolded"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int]
    posted: Mapped[Units]
    entries: Mapped[int] = mapped_column(Integer)

"""Tables of reconciliation."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Integer
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base, Units


class ReconciliationRun(Base):
    """One comparison of a chain, at one finalized block."""

    __tablename__ = "reconciliation_run"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    height: Mapped[int]
    block_hash: Mapped[bytes]
    accounts: Mapped[int] = mapped_column(Integer)
    differences: Mapped[int] = mapped_column(Integer)
    compared_at: Mapped[datetime]
    part: Mapped[str]
    """'' for what moved, else the sweep's place at that block."""
    swept: Mapped[int] = mapped_column(Integer)
    """Accounts that the sweep found equal; no row is kept of these."""


class ReconciliationRowModel(Base):
    """One custody account in a run."""

    __tablename__ = "reconciliation_row"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID]
    chain_id: Mapped[int]
    height: Mapped[int]
    block_hash: Mapped[bytes]
    custody_code: Mapped[str]
    asset: Mapped[str]
    ledger_units: Mapped[Units]
    chain_units: Mapped[Units]
    difference: Mapped[Units]
    """chain_units - ledger_units; signed."""
    compared_at: Mapped[datetime]
    equal_height: Mapped[int | None]
    """The highest block known at which the sides were equal."""
    differs_height: Mapped[int | None]
    """The lowest block above it known to differ; None where nothing differs, or nobody looked."""

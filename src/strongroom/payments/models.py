"""Tables of payments."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base, Units


class FiatEntry(Base):
    """A fiat credit that one person proposed and another decides."""

    __tablename__ = "fiat_entry"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str]
    """The bank's or the client's own reference; unique for ever."""
    bank: Mapped[str]
    """Which of our bank accounts received it: the ledger's `fiat:bank:…`."""
    account: Mapped[str]
    """The client account that is credited, `client:…`."""
    asset: Mapped[str]
    units: Mapped[Units]
    note: Mapped[str]
    proposed_by: Mapped[UUID]
    proposed_at: Mapped[datetime]
    state: Mapped[str]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]

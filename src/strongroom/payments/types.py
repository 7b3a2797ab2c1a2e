"""Values of payments."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from strongroom_protocol.amounts import Amount


@dataclass(frozen=True)
class FiatCredit:
    """A credit to propose: `bank` is our account's name, `account` the client account's code."""

    reference: str
    bank: str
    account: str
    amount: Amount
    note: str


@dataclass(frozen=True)
class FiatEntryView:
    """A fiat entry: who proposed it, who decided it; `units` in the asset's smallest unit."""

    id: UUID
    reference: str
    bank: str
    account: str
    asset: str
    units: int
    note: str
    state: str
    proposed_by: UUID
    proposed_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    reason: str | None

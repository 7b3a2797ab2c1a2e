"""Values of deposits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from strongroom.deposits.terms import Level

ChainState = Literal["seen", "confirmed", "finalized", "orphaned"]
Disposition = Literal["unscreened", "credited", "quarantined", "unknown_token", "reversed"]


@dataclass(frozen=True, slots=True)
class DepositView:
    """A transfer to one of our addresses. `state` is one word for people; units are the token's
    smallest; `asset` is None for a token that the policy does not name.
    """

    id: UUID
    state: str
    chain_state: ChainState
    disposition: Disposition
    asset: str | None
    token: bytes | None
    units: int
    address: bytes
    client_account: str
    payer: bytes
    tx_hash: bytes
    position: int
    height: int
    block_hash: bytes
    seen_at: datetime
    confirmed_at: datetime | None
    settled_at: datetime | None
    finalized_at: datetime | None
    swept_at: datetime | None
    customer_reference: str | None = None
    confirmations: int = 0
    level: Level = "confirmed"
    awaits: str | None = None
    """What its credit waits for, and why; None when nothing is awaited."""
    held: str | None = None

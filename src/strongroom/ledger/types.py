"""What goes into the ledger and what comes out: frozen values, amounts in smallest units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

Phase = Literal["single", "hold", "post", "void", "expire", "reversal"]
Outcome = Literal["posted", "replayed", "refused"]


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An account by name. Assets carry their scale: "ETH/18", "TUSD/6", "EUR/2"."""

    organisation_id: UUID
    code: str
    asset: str


@dataclass(frozen=True, slots=True)
class Leg:
    """`units` move from the credit account to the debit account: balanced by itself."""

    debit: str
    credit: str
    asset: str
    units: int


@dataclass(frozen=True, slots=True)
class ChainPoint:
    """The block that a posting tells of."""

    chain_id: int
    height: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class Posting:
    """One transaction of the books; all its legs or none.

    `refers_to` is the key of the hold (post, void, expire) or of the original (reversal). A void
    and an expire bring no legs; a post and a reversal bring none (for the whole) or the original's
    legs in its order with at most its units.
    """

    organisation_id: UUID
    key: str
    kind: str
    legs: tuple[Leg, ...]
    chain: ChainPoint | None = None
    phase: Phase = "single"
    refers_to: str | None = None
    expires_at: datetime | None = None
    memo: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostingResult:
    """What became of a posting; `code` says why it was refused."""

    outcome: Outcome
    code: str | None
    transaction_id: UUID | None


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's balance in its normal direction; `available` = posted - pending (holds)."""

    code: str
    asset: str
    posted: int
    pending: int
    available: int
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class CustodyTotal:
    """What a custody account held at a height."""

    organisation_id: UUID
    code: str
    asset: str
    units: int

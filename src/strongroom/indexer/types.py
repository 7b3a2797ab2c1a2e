"""Blocks on their way from a node into the database."""

from dataclasses import dataclass
from datetime import datetime

from strongroom.chain.answers import LogAnswer, ReceiptAnswer, TransactionAnswer
from strongroom.chain.headers import Header
from strongroom.chain.ports import BlockView
from strongroom.chain.traces import Movement
from strongroom.chain.withdrawals import Withdrawal


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the node says the chain stands; finality by the node's tags."""

    latest: Header
    safe_height: int
    finalized: Header


@dataclass(frozen=True, slots=True)
class FetchedBlock:
    """What a node says of one block, its header checked. `receipts` None when read by ranges,
    `transactions` empty until they are proven (Evidence).
    """

    header: Header
    transactions: tuple[TransactionAnswer, ...]
    movements: tuple[Movement, ...]
    logs: tuple[LogAnswer, ...]
    receipts: tuple[ReceiptAnswer, ...] | None
    withdrawals: tuple[Withdrawal, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Receipts and transactions of a block with their proofs under the header's roots.

    `raw` and `tx_proofs` are empty where only tokens moved, or the node gives no raw transactions.
    """

    receipts: tuple[ReceiptAnswer, ...]
    receipt_rlp: tuple[bytes, ...]
    receipt_proofs: dict[int, list[bytes]]
    raw: tuple[bytes, ...]
    tx_proofs: dict[int, list[bytes]]
    transactions: tuple[TransactionAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexedBlock:
    """A block reduced to what concerns us, ready to be written. No evidence when no transaction
    does.
    """

    header: Header
    view: BlockView
    evidence: Evidence | None

    @property
    def touched(self) -> bool:
        """Whether anything of ours is in it."""
        return self.evidence is not None or bool(self.view.transfers)


@dataclass(frozen=True, slots=True)
class Span:
    """Parent-linked blocks as read, and matched when `known` addresses were watched. `final`: the
    node calls the last of them final. `listed`: the node was asked for events of these alone.
    """

    blocks: tuple[FetchedBlock, ...]
    indexed: tuple[IndexedBlock, ...]
    known: int
    final: bool
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a chain was read, booked and found final. Moved by compare-and-set only."""

    chain_id: int
    start_height: int
    height: int
    block_hash: bytes
    confirmed_height: int
    safe_height: int
    finalized_height: int
    balances_height: int
    epoch: int
    halted_reason: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Range:
    """Equal at `equal_height` (None: at no height that could be asked), not at `differs_height`.

    Books and chain may have come apart and together again before: one place is named, not all.
    """

    equal_height: int | None
    differs_height: int
    told: str

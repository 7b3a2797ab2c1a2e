"""What a room sees of a chain: transfers, transactions and blocks, and the sinks they go into.

The indexer calls each sink inside the block's own unit of work, and posts what all of them return
by one call of the ledger. A sink writes rows of its own room; it never posts, never commits, never
talks to a node. Every posting key contains `BlockView.tag`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from strongroom.db.database import UnitOfWork

PostingT_co = TypeVar("PostingT_co", covariant=True)
"""The ledger's posting: the chain knows nothing of the ledger, so the port leaves the type open."""


TransferKind = Literal["native", "internal", "withdrawal", "erc20"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """Units of one token (None = the chain's own coin) that moved from one address to another.

    `position` is the log index, or -1 - trace index for native value (-1: the transaction itself).
    A withdrawal is in no transaction: tx_hash is the block's, position -1 - its place.
    """

    chain_id: int
    height: int
    block_hash: bytes
    tx_hash: bytes
    position: int
    token: bytes | None
    sender: bytes
    recipient: bytes
    units: int
    kind: TransferKind


@dataclass(frozen=True, slots=True)
class Log:
    """An event that a contract emitted; `position` counts within its transaction."""

    position: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class TransactionSeen:
    """A mined transaction that concerns us: sent by, sent to, or moving value of a watched address.

    `status` is True when it succeeded; prices in wei; `nonce` None where only tokens moved.
    """

    hash: bytes
    index: int
    sender: bytes
    recipient: bytes | None
    nonce: int | None
    status: bool
    gas_used: int
    effective_gas_price: int
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class BlockView:
    """One block, reduced to what concerns us. `sighting` counts this hash's appearances."""

    chain_id: int
    height: int
    hash: bytes
    parent_hash: bytes
    time: datetime
    transfers: tuple[Transfer, ...]
    transactions: tuple[TransactionSeen, ...]
    sighting: int = 1

    @property
    def tag(self) -> str:
        """Names this appearance of this block; part of every posting key that a sink makes."""
        return f"{self.chain_id}:{self.hash.hex()}:{self.sighting}"


Reached = Literal["seen", "confirmed", "finalized"]
"""How far blocks come in the unit that brings them."""


class BlockSink(Protocol[PostingT_co]):
    """A room that books what blocks bring: many blocks a call, lowest first, so that it asks and
    writes once for all of them. It returns one list of postings a block, in their order.
    """

    def on_confirmed(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[PostingT_co]]:
        """The blocks are deep enough to be booked. Called once a sighting."""
        ...

    def on_finalized(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[PostingT_co]]:
        """The blocks can't be undone any more. Always after on_confirmed."""
        ...

    def on_orphaned(self, uow: UnitOfWork, block: BlockView) -> Sequence[PostingT_co]:
        """The block left the chain after on_confirmed: reverse what it booked. Newest first."""
        ...


class SeenSink(Protocol):
    """A room that also wants to know of blocks before they are confirmed. It books nothing yet."""

    def on_seen(self, uow: UnitOfWork, blocks: Sequence[BlockView], reached: Reached) -> None:
        """The blocks are part of the chain as of now. `reached`: what they will be told to be in
        this same unit, so that rows can be written in their end state at once.
        """
        ...

    def on_unseen(self, uow: UnitOfWork, block: BlockView) -> None:
        """The block left the chain before it was confirmed."""
        ...

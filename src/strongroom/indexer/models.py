"""Tables of the indexer: what it believes about each chain, and since when. Nothing is deleted."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Integer, LargeBinary, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base, Units


class ChainCursor(Base):
    """How far a chain was read."""

    __tablename__ = "chain_cursor"

    chain_id: Mapped[int] = mapped_column(primary_key=True)
    start_height: Mapped[int]
    """The first block that was looked at; nothing before it is known."""
    height: Mapped[int]
    block_hash: Mapped[bytes]
    confirmed_height: Mapped[int]
    """Blocks up to here are booked."""
    safe_height: Mapped[int]
    finalized_height: Mapped[int]
    """Blocks up to here can't be undone."""
    balances_height: Mapped[int]
    """The finalized block at which the balances of what moved were last read."""
    epoch: Mapped[int]
    """The leader's epoch: a former leader's write finds another one here and is refused."""
    halted_reason: Mapped[str | None]
    """Why nothing is booked any more until people have looked."""
    updated_at: Mapped[datetime]


class ChainBlock(Base):
    """One appearance of a block on the chain, believed from seen_at until orphaned_at."""

    __tablename__ = "chain_block"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    height: Mapped[int]
    block_hash: Mapped[bytes]
    sighting: Mapped[int] = mapped_column(Integer)
    """1, or more when this hash came back after a reorganisation."""
    parent_hash: Mapped[bytes]
    block_time: Mapped[datetime]
    header_rlp: Mapped[bytes]
    """keccak256 of it is block_hash."""
    receipts_root: Mapped[bytes]
    touched: Mapped[bool]
    """Whether anything of ours is in it."""
    state: Mapped[str]
    seen_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    safe_at: Mapped[datetime | None]
    finalized_at: Mapped[datetime | None]
    orphaned_at: Mapped[datetime | None]


class ChainReceipt(Base):
    """A transaction that concerns us, with its proofs under the header's roots."""

    __tablename__ = "chain_receipt"

    block_id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    block_hash: Mapped[bytes]
    tx_index: Mapped[int] = mapped_column(Integer, primary_key=True)
    tx_hash: Mapped[bytes]
    sender: Mapped[bytes]
    recipient: Mapped[bytes | None]
    nonce: Mapped[int | None] = mapped_column(Numeric(20, 0))
    succeeded: Mapped[bool]
    gas_used: Mapped[int]
    effective_gas_price_wei: Mapped[Units]
    receipt_rlp: Mapped[bytes]
    """As it stands in the receipts' trie, type byte first."""
    receipt_proof: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    """RLP of the trie's nodes, root first."""
    transaction_raw: Mapped[bytes | None]
    tx_proof: Mapped[list[bytes] | None] = mapped_column(ARRAY(LargeBinary))


class ChainTransfer(Base):
    """Units that moved from or to a watched address."""

    __tablename__ = "chain_transfer"

    block_id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    height: Mapped[int]
    tx_hash: Mapped[bytes] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    """Log index, or -1 - trace index for native value."""
    token: Mapped[bytes | None]
    sender: Mapped[bytes]
    recipient: Mapped[bytes]
    units: Mapped[Units]
    kind: Mapped[str]
    seen_at: Mapped[datetime]


class ChainBalance(Base):
    """What the chain says that an address holds at a finalized block. Of what the sweep read and
    did not move, only what differs from the books.
    """

    __tablename__ = "chain_balance"

    chain_id: Mapped[int] = mapped_column(primary_key=True)
    height: Mapped[int] = mapped_column(primary_key=True)
    block_hash: Mapped[bytes] = mapped_column(primary_key=True)
    address: Mapped[bytes] = mapped_column(primary_key=True)
    asset: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[bytes | None]
    units: Mapped[Units]
    read_at: Mapped[datetime]
    part: Mapped[str]
    """'' for what moved, else the sweep's place: which comparison it belongs to."""


class ChainSweep(Base):
    """The rolling reading of every balance of a chain."""

    __tablename__ = "chain_sweep"

    chain_id: Mapped[int] = mapped_column(primary_key=True)
    round: Mapped[int]
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    after: Mapped[bytes | None]
    """The round goes on above this address."""
    swept: Mapped[int]
    """Addresses read in this round."""
    whole_since: Mapped[datetime | None]
    """When the last round that ended began: no address's reading is older."""
    updated_at: Mapped[datetime]


class ChainDifference(Base):
    """The blocks between which books and chain came apart, by bisection."""

    __tablename__ = "chain_difference"

    chain_id: Mapped[int] = mapped_column(primary_key=True)
    height: Mapped[int] = mapped_column(primary_key=True)
    block_hash: Mapped[bytes] = mapped_column(primary_key=True)
    address: Mapped[bytes] = mapped_column(primary_key=True)
    asset: Mapped[str] = mapped_column(primary_key=True)
    equal_height: Mapped[int | None]
    """The highest block known at which they were equal; None where none could be asked."""
    differs_height: Mapped[int]
    """The lowest block above it known to differ."""
    told: Mapped[str]
    """The same as a sentence, with why it is no narrower."""
    found_at: Mapped[datetime]


class ChainRescan(Base):
    """Blocks that people want read again."""

    __tablename__ = "chain_rescan"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int]
    from_height: Mapped[int]
    to_height: Mapped[int]
    address: Mapped[bytes | None]
    """Only what touches this address; None: every watched one."""
    done_height: Mapped[int]
    found: Mapped[int]
    """Transfers and transactions that were not known before."""
    state: Mapped[str]
    reason: Mapped[str | None]
    """Why it was refused."""
    requested_at: Mapped[datetime]
    updated_at: Mapped[datetime]

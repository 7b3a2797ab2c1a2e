"""The shapes of what nodes answer (execution-apis; trace module of Erigon, Nethermind, Anvil).

Hex stays text here: it becomes numbers and bytes only for what is really used.
"""

import msgspec


class TransactionAnswer(msgspec.Struct, rename="camel"):
    """A transaction inside a full block."""

    hash: str
    sender: str = msgspec.field(name="from")
    nonce: str
    value: str
    transaction_index: str
    block_hash: str
    to: str | None = None


class WithdrawalAnswer(msgspec.Struct, rename="camel"):
    """A withdrawal from the beacon chain; `amount` in gwei."""

    index: str
    validator_index: str
    address: str
    amount: str


class HeaderAnswer(msgspec.Struct, rename="camel"):
    """A block's header as JSON; the later fields exist since the fork that added them."""

    hash: str
    parent_hash: str
    sha3_uncles: str
    miner: str
    state_root: str
    transactions_root: str
    receipts_root: str
    logs_bloom: str
    difficulty: str
    number: str
    gas_limit: str
    gas_used: str
    timestamp: str
    extra_data: str
    mix_hash: str
    nonce: str
    base_fee_per_gas: str | None = None
    withdrawals_root: str | None = None
    blob_gas_used: str | None = None
    excess_blob_gas: str | None = None
    parent_beacon_block_root: str | None = None
    requests_hash: str | None = None
    withdrawals: list[WithdrawalAnswer] | None = None
    """Not of the header, but in every answer that has one (EIP-4895)."""


class NamedBlockAnswer(HeaderAnswer, rename="camel"):
    """A header with its transactions' hashes."""

    transactions: list[str] = []


class BlockAnswer(HeaderAnswer, rename="camel"):
    """A header with its whole transactions. Dear: nodes recover each one's sender for it."""

    transactions: list[TransactionAnswer] = []


class LogAnswer(msgspec.Struct, rename="camel", gc=False):
    """A log, alone or in a receipt."""

    address: str
    topics: list[str]
    data: str
    log_index: str
    transaction_hash: str
    transaction_index: str
    block_hash: str
    removed: bool = False


class ReceiptAnswer(msgspec.Struct, rename="camel"):
    """A transaction's receipt."""

    transaction_hash: str
    transaction_index: str
    block_hash: str
    block_number: str
    sender: str = msgspec.field(name="from")
    status: str
    cumulative_gas_used: str
    gas_used: str
    effective_gas_price: str
    logs_bloom: str
    logs: list[LogAnswer]
    type: str = "0x0"
    to: str | None = None


class TraceAction(msgspec.Struct, rename="camel", gc=False):
    """What one trace did; which members exist depends on the trace's type."""

    sender: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    value: str | None = None
    call_type: str | None = None
    address: str | None = None
    refund_address: str | None = None
    balance: str | None = None


class TraceResult(msgspec.Struct):
    """Where a creation put its contract."""

    address: str | None = None


class TraceAnswer(msgspec.Struct, rename="camel", gc=False):
    """One line of trace_block: a call, a creation, a self-destruction or a reward."""

    type: str
    action: TraceAction
    block_hash: str
    trace_address: list[int]
    transaction_hash: str | None = None
    transaction_position: int | None = None
    error: str | None = None
    result: TraceResult | None = None


class FrameAnswer(msgspec.Struct):
    """One call of debug_traceBlockByHash's callTracer, with the calls below it."""

    type: str
    sender: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    value: str | None = None
    error: str | None = None
    calls: list["FrameAnswer"] = []


class TransactionFramesAnswer(msgspec.Struct, rename="camel"):
    """The top call of one transaction of a block."""

    result: FrameAnswer
    tx_hash: str


class FeeHistoryAnswer(msgspec.Struct, rename="camel"):
    """eth_feeHistory: the last base fee is that of the next block."""

    base_fee_per_gas: list[str]
    reward: list[list[str]] = []

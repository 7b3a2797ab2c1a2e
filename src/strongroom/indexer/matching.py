"""Which transfers and transactions of a block concern us. Pure.

Zero amounts and unknown tokens are kept: they are shown, and rules look at them; nobody is
credited for them. ERC-721 shares ERC-20's Transfer topic but has a fourth one: not an amount.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from strongroom.chain.answers import LogAnswer, ReceiptAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.ports import BlockView, Log, TransactionSeen, Transfer
from strongroom.chain.raw_transactions import payment_of
from strongroom.chain.rpc import octets, quantity
from strongroom.indexer.types import FetchedBlock
from strongroom.wallets.types import Watched
from strongroom_protocol.hashing import keccak256

TRANSFER_TOPIC: Final = keccak256(b"Transfer(address,address,uint256)")
_TRANSFER_TEXT: Final = "0x" + TRANSFER_TOPIC.hex()
_ADDRESS_PADDING: Final = "0x" + "00" * 12
_TOUCHED_BY_CALL: Final = frozenset({"vault", "relay", "spending"})
"""Kinds whose every call and transaction concerns us, also when no value moves."""


def transfers(
    block: FetchedBlock, chain_id: int, watched: Mapping[bytes, Watched]
) -> tuple[Transfer, ...]:
    """Transfers from or to a watched address, in the order of the transactions."""
    found = [*_native(block, chain_id, watched), *_tokens(block, chain_id, watched)]
    return tuple(transfer for _, transfer in sorted(found, key=_in_order))


def touched_transactions(block: FetchedBlock, watched: Mapping[bytes, Watched]) -> set[int]:
    """Indexes of the transactions sent by, or calling, a vault or a key of ours."""
    found: set[int] = set()
    for transaction in block.transactions:
        ends = (octets(transaction.sender, 20), octets(transaction.to or "0x"))
        if any(_touches(watched.get(end)) for end in ends):
            found.add(quantity(transaction.transaction_index))
    for movement in block.movements:
        if _touches(watched.get(movement.sender)) or _touches(watched.get(movement.recipient)):
            found.add(movement.tx_index)
    return found


def touched_indexes(
    block: FetchedBlock, chain_id: int, watched: Mapping[bytes, Watched]
) -> set[int]:
    """Indexes of all transactions that concern us."""
    if block.header.empty:
        return set()
    moved = {transfer.tx_hash for transfer in transfers(block, chain_id, watched)}
    by_hash = {octets(item.hash, 32): item for item in block.transactions}
    if not moved <= set(by_hash):
        raise NodeLied(f"Block {block.header.height} has a transfer of no transaction in it.")
    found = {quantity(by_hash[tx_hash].transaction_index) for tx_hash in moved}
    return found | touched_transactions(block, watched)


def with_receipts(block: FetchedBlock, receipts: tuple[ReceiptAnswer, ...]) -> FetchedBlock:
    """The block with events from receipts whose root was recomputed."""
    logs = tuple(log for receipt in receipts for log in receipt.logs)
    return replace(block, receipts=receipts, logs=logs)


def check_payments(
    block: FetchedBlock,
    receipts: Sequence[ReceiptAnswer],
    raw: Sequence[bytes],
    indexes: Collection[int],
) -> None:
    """What the node says these transactions pay is what their own bytes say. `raw` was proven under
    the header's root; traces below the first call can't be. Raises NodeLied.
    """
    roots = {move.tx_index: move for move in block.movements if move.trace_index == 0}
    for index in indexes:
        paid = payment_of(raw[index])
        said, root = block.transactions[index], roots.get(index)
        if paid is None:
            continue
        to, units = paid
        stood = quantity(receipts[index].status) == 1
        differs = (octets(said.to or "0x"), quantity(said.value)) != paid
        differs |= units > 0 and stood and root is None
        differs |= root is not None and (root.units != units or (bool(to) and root.recipient != to))
        if differs:
            raise NodeLied(
                f"Transaction {said.hash} of block {block.header.height} pays something else than "
                "the node says. The answer was thrown away."
            )


def reduce_block(block: FetchedBlock, chain_id: int, watched: Mapping[bytes, Watched]) -> BlockView:
    """The block as the rooms see it; transactions only once it has receipts. Raises NodeLied."""
    moved = transfers(block, chain_id, watched)
    indexes = touched_indexes(block, chain_id, watched) if block.receipts is not None else set()
    seen = tuple(_seen(block, index) for index in sorted(indexes))
    failed = {item.hash for item in seen if not item.status}
    if any(transfer.tx_hash in failed for transfer in moved):
        raise NodeLied(f"Block {block.header.height} has a transfer in a failed transaction.")
    return BlockView(
        chain_id=chain_id,
        height=block.header.height,
        hash=block.header.hash,
        parent_hash=block.header.parent_hash,
        time=block.header.time,
        transfers=moved,
        transactions=seen,
    )


def read_logs(receipt: ReceiptAnswer) -> tuple[Log, ...]:
    """A receipt's events."""
    return tuple(
        Log(
            position=position,
            address=octets(log.address, 20),
            topics=tuple(octets(topic, 32) for topic in log.topics),
            data=octets(log.data),
        )
        for position, log in enumerate(receipt.logs)
    )


def _native(
    block: FetchedBlock, chain_id: int, watched: Mapping[bytes, Watched]
) -> Iterator[tuple[int, Transfer]]:
    for movement in block.movements:
        if movement.units == 0:
            continue
        if movement.sender in watched or movement.recipient in watched:
            yield (
                movement.tx_index,
                Transfer(
                    chain_id=chain_id,
                    height=block.header.height,
                    block_hash=block.header.hash,
                    tx_hash=movement.tx_hash,
                    position=-1 - movement.trace_index,
                    token=None,
                    sender=movement.sender,
                    recipient=movement.recipient,
                    units=movement.units,
                    kind="native" if movement.trace_index == 0 else "internal",
                ),
            )


def _tokens(
    block: FetchedBlock, chain_id: int, watched: Mapping[bytes, Watched]
) -> Iterator[tuple[int, Transfer]]:
    for log in block.logs:
        ends = _transfer_ends(log)
        if ends is None or not (ends[0] in watched or ends[1] in watched):
            continue
        yield (
            quantity(log.transaction_index),
            Transfer(
                chain_id=chain_id,
                height=block.header.height,
                block_hash=block.header.hash,
                tx_hash=octets(log.transaction_hash, 32),
                position=quantity(log.log_index),
                token=octets(log.address, 20),
                sender=ends[0],
                recipient=ends[1],
                units=quantity(log.data),
                kind="erc20",
            ),
        )


def _transfer_ends(log: LogAnswer) -> tuple[bytes, bytes] | None:
    """Sender and recipient if this is an ERC-20 Transfer; the raw text is compared first."""
    topics = log.topics
    if len(topics) != 3 or topics[0] != _TRANSFER_TEXT or len(log.data) != 66:
        return None
    if not (topics[1].startswith(_ADDRESS_PADDING) and topics[2].startswith(_ADDRESS_PADDING)):
        return None
    return octets(topics[1], 32)[12:], octets(topics[2], 32)[12:]


def _seen(block: FetchedBlock, index: int) -> TransactionSeen:
    if block.receipts is None or index >= len(block.receipts):
        raise NodeLied(f"Block {block.header.height} lacks the receipt of transaction {index}.")
    receipt, transaction = block.receipts[index], block.transactions[index]
    return TransactionSeen(
        hash=octets(receipt.transaction_hash, 32),
        index=index,
        sender=octets(transaction.sender, 20),
        recipient=None if transaction.to is None else octets(transaction.to, 20),
        nonce=quantity(transaction.nonce),
        status=quantity(receipt.status) == 1,
        gas_used=quantity(receipt.gas_used),
        effective_gas_price=quantity(receipt.effective_gas_price),
        logs=read_logs(receipt),
    )


def _touches(found: Watched | None) -> bool:
    return found is not None and found.kind in _TOUCHED_BY_CALL


def _in_order(item: tuple[int, Transfer]) -> tuple[int, int]:
    return item[0], item[1].position

"""Which transfers and transactions of a block concern us. Pure.

Zero amounts and unknown tokens are kept: they are shown, and rules look at them; nobody is
credited for them. ERC-721 shares ERC-20's Transfer topic but has a fourth one: not an amount.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from strongroom.chain.answers import LogAnswer, ReceiptAnswer, TransactionAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.ports import BlockView, Log, TransactionSeen, Transfer
from strongroom.chain.raw_transactions import payment_of
from strongroom.chain.rpc import octets, quantity
from strongroom.indexer.types import FetchedBlock
from strongroom.wallets.types import AddressKind
from strongroom_protocol.hashing import keccak256

Kinds: TypeAlias = Mapping[bytes, AddressKind]
"""What is watched: addresses of 20 bytes, and what each is to us."""
NOBODY: Final = bytes(20)
TRANSFER_TOPIC: Final = keccak256(b"Transfer(address,address,uint256)")
_TRANSFER_TEXT: Final = "0x" + TRANSFER_TOPIC.hex()
_ADDRESS_PADDING: Final = "0x" + "00" * 12
_TOUCHED_BY_CALL: Final[frozenset[str | None]] = frozenset({"vault", "relay", "spending"})
"""Kinds whose every call and transaction concerns us, also when no value moves."""


@dataclass(frozen=True, slots=True)
class Concerned:
    """Indexes of the transactions that concern us. `whole`: the chain's own coin, a key or a vault
    of ours is among them, so that transactions are proven, too; tokens move by receipts alone.
    """

    indexes: frozenset[int]
    whole: bool


def concerned(block: FetchedBlock, watched: Kinds) -> Concerned:
    """What of a block concerns us, by its events and its movements."""
    tokens = {quantity(log.transaction_index) for log, _, _ in _hits(block.logs, watched)}
    native = {
        move.tx_index
        for move in block.movements
        if (move.sender in watched or move.recipient in watched)
        and (
            move.units
            or watched.get(move.sender) in _TOUCHED_BY_CALL
            or watched.get(move.recipient) in _TOUCHED_BY_CALL
        )
    }
    return Concerned(frozenset(tokens | native), bool(native))


def transfers(block: FetchedBlock, chain_id: int, watched: Kinds) -> tuple[Transfer, ...]:
    """Transfers from or to a watched address, in the order of the transactions; what the beacon
    chain brought comes last, as it does in a block.
    """
    moved = tuple(transfer for _, transfer in _placed(block, chain_id, watched))
    return moved + _withdrawn(block, chain_id, watched)


def with_receipts(
    block: FetchedBlock,
    receipts: tuple[ReceiptAnswer, ...],
    transactions: tuple[TransactionAnswer, ...] = (),
) -> FetchedBlock:
    """The block with these receipts and their events."""
    logs = tuple(log for receipt in receipts for log in receipt.logs)
    return replace(block, receipts=receipts, logs=logs, transactions=transactions)


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
        if stood and root is not None:
            differs |= root.units != units or (bool(to) and root.recipient != to)
        if differs:
            raise NodeLied(
                f"Transaction {said.hash} of block {block.header.height} pays something else than "
                "the node says. The answer was thrown away."
            )


def reduce_block(block: FetchedBlock, chain_id: int, watched: Kinds) -> BlockView:
    """The block as the rooms see it; transactions only once it has receipts. Raises NodeLied."""
    moved = _placed(block, chain_id, watched)
    seen: tuple[TransactionSeen, ...] = ()
    if block.receipts is not None and not block.header.empty:
        found = concerned(block, watched)
        seen = tuple(_seen(block, index) for index in sorted(found.indexes))
        _check_transactions(block, moved, {item.index: item for item in seen})
    return BlockView(
        chain_id=chain_id,
        height=block.header.height,
        hash=block.header.hash,
        parent_hash=block.header.parent_hash,
        time=block.header.time,
        transfers=(
            *(transfer for _, transfer in moved),
            *_withdrawn(block, chain_id, watched),
        ),
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


def _placed(block: FetchedBlock, chain_id: int, watched: Kinds) -> list[tuple[int, Transfer]]:
    found = [*_native(block, chain_id, watched), *_tokens(block, chain_id, watched)]
    return sorted(found, key=_in_order)


def _check_transactions(
    block: FetchedBlock,
    moved: Sequence[tuple[int, Transfer]],
    seen: Mapping[int, TransactionSeen],
) -> None:
    for index, transfer in moved:
        own = seen.get(index)
        if own is None or own.hash != transfer.tx_hash:
            raise NodeLied(f"Block {block.header.height} has a transfer of no transaction in it.")
        if not own.status:
            raise NodeLied(f"Block {block.header.height} has a transfer in a failed transaction.")


def _native(block: FetchedBlock, chain_id: int, watched: Kinds) -> Iterator[tuple[int, Transfer]]:
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


def _withdrawn(block: FetchedBlock, chain_id: int, watched: Kinds) -> tuple[Transfer, ...]:
    """Withdrawals to us: of no transaction, from nobody; the header's root proves them."""
    return tuple(
        Transfer(
            chain_id=chain_id,
            height=block.header.height,
            block_hash=block.header.hash,
            tx_hash=block.header.hash,
            position=-1 - one.place,
            token=None,
            sender=NOBODY,
            recipient=one.recipient,
            units=one.units,
            kind="withdrawal",
        )
        for one in reversed(block.withdrawals)
        if one.units and one.recipient in watched
    )


def _tokens(block: FetchedBlock, chain_id: int, watched: Kinds) -> Iterator[tuple[int, Transfer]]:
    for log, sender, recipient in _hits(block.logs, watched):
        yield (
            quantity(log.transaction_index),
            Transfer(
                chain_id=chain_id,
                height=block.header.height,
                block_hash=block.header.hash,
                tx_hash=octets(log.transaction_hash, 32),
                position=quantity(log.log_index),
                token=octets(log.address, 20),
                sender=sender,
                recipient=recipient,
                units=quantity(log.data),
                kind="erc20",
            ),
        )


def _hits(logs: Sequence[LogAnswer], watched: Kinds) -> Iterator[tuple[LogAnswer, bytes, bytes]]:
    """ERC-20 Transfers from or to a watched address, with both ends. Nearly all logs are others':
    the raw text is compared first, and the ends are looked up before anything else is read.
    """
    read = bytes.fromhex
    for log in logs:
        topics = log.topics
        if len(topics) != 3 or topics[0] != _TRANSFER_TEXT:
            continue
        try:
            sender, recipient = read(topics[1][26:]), read(topics[2][26:])
        except ValueError as error:
            raise NodeLied(f"The node sent a topic that is no bytes: {error}.") from error
        if not (sender in watched or recipient in watched) or len(log.data) != 66:
            continue
        if topics[1].startswith(_ADDRESS_PADDING) and topics[2].startswith(_ADDRESS_PADDING):
            yield log, sender, recipient


def _seen(block: FetchedBlock, index: int) -> TransactionSeen:
    if block.receipts is None or index >= len(block.receipts):
        raise NodeLied(f"Block {block.header.height} lacks the receipt of transaction {index}.")
    receipt = block.receipts[index]
    whole = block.transactions[index] if block.transactions else None
    return TransactionSeen(
        hash=octets(receipt.transaction_hash, 32),
        index=index,
        sender=octets(receipt.sender, 20),
        recipient=None if receipt.to is None else octets(receipt.to, 20),
        nonce=None if whole is None else quantity(whole.nonce),
        status=quantity(receipt.status) == 1,
        gas_used=quantity(receipt.gas_used),
        effective_gas_price=quantity(receipt.effective_gas_price),
        logs=read_logs(receipt),
    )


def _in_order(item: tuple[int, Transfer]) -> tuple[int, int]:
    return item[0], item[1].position

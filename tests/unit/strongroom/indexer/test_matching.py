"""What in a block concerns us, and what only looks like it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom.chain.answers import LogAnswer, ReceiptAnswer, TransactionAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.headers import Header
from strongroom.chain.traces import Movement
from strongroom.indexer import matching
from strongroom.indexer.types import FetchedBlock
from strongroom.wallets.types import AddressKind

HASH, ROOT = b"\xbb" * 32, b"\xcc" * 32
HEADER = Header(7, HASH, HASH, datetime(2026, 1, 1, tzinfo=UTC), ROOT, ROOT, bytes(256), 1, b"")
OURS, RELAY, VAULT, PAYER, TOKEN = (bytes([n]) * 20 for n in (0xD0, 0xAE, 0xAB, 0x01, 0x70))
WATCHED: dict[bytes, AddressKind] = {OURS: "deposit", RELAY: "relay", VAULT: "vault"}
TRANSFER = "0x" + matching.TRANSFER_TOPIC.hex()


def tx_hash(index: int) -> str:
    return "0x" + bytes([index + 1]).hex() * 32


def transaction(index: int, sender: bytes = PAYER, to: bytes | None = TOKEN) -> TransactionAnswer:
    return TransactionAnswer(
        hash=tx_hash(index),
        sender="0x" + sender.hex(),
        nonce="0x3",
        value="0x0",
        transaction_index=hex(index),
        block_hash="0x" + HASH.hex(),
        to=None if to is None else "0x" + to.hex(),
    )


def topic(address: bytes) -> str:
    return "0x" + address.rjust(32, b"\0").hex()


def log(index: int = 0, **changes: Any) -> LogAnswer:
    found: dict[str, Any] = {
        "address": "0x" + TOKEN.hex(),
        "topics": [TRANSFER, topic(PAYER), topic(OURS)],
        "data": "0x" + (9).to_bytes(32, "big").hex(),
        "log_index": "0x4",
        "transaction_hash": tx_hash(index),
        "transaction_index": hex(index),
        "block_hash": "0x" + HASH.hex(),
    }
    return LogAnswer(**(found | changes))


def receipt(
    index: int, *logs: LogAnswer, status: str = "0x1", sender: bytes = PAYER
) -> ReceiptAnswer:
    return ReceiptAnswer(
        transaction_hash=tx_hash(index),
        transaction_index=hex(index),
        block_hash="0x" + HASH.hex(),
        block_number="0x7",
        sender="0x" + sender.hex(),
        status=status,
        cumulative_gas_used="0x5208",
        gas_used="0x5208",
        effective_gas_price="0xa",
        logs_bloom="0x" + "00" * 256,
        logs=list(logs),
    )


def block(
    *transactions: TransactionAnswer,
    logs: tuple[LogAnswer, ...] = (),
    movements: tuple[Movement, ...] = (),
    receipts: tuple[ReceiptAnswer, ...] | None = None,
) -> FetchedBlock:
    return FetchedBlock(HEADER, transactions, movements, logs, receipts)


def test_a_token_transfer_to_us_is_matched_with_its_log_index():
    (found,) = matching.transfers(block(transaction(0), logs=(log(),)), 1, WATCHED)
    assert (found.token, found.sender, found.recipient) == (TOKEN, PAYER, OURS)
    assert (found.units, found.position, found.kind) == (9, 4, "erc20")


@pytest.mark.parametrize(
    "changes",
    [
        {"topics": [TRANSFER, topic(PAYER), topic(OURS), topic(b"\x07")]},
        {"topics": [TRANSFER, topic(PAYER)]},
        {"topics": ["0x" + "11" * 32, topic(PAYER), topic(OURS)]},
        {"topics": [TRANSFER, topic(PAYER), "0x" + "01" * 12 + OURS.hex()]},
        {"topics": [TRANSFER, topic(PAYER), topic(PAYER)]},
        {"data": "0x"},
        {"data": "0x" + "00" * 64},
    ],
    ids=["ERC-721", "two topics", "other event", "dirty word", "not us", "no data", "two words"],
)
def test_what_only_looks_like_a_payment_is_left_out(changes: dict[str, Any]):
    assert matching.transfers(block(transaction(0), logs=(log(**changes),)), 1, WATCHED) == ()


def test_transfers_come_in_the_order_of_their_transactions():
    first = Movement(bytes([1]) * 32, 0, 0, PAYER, OURS, 5)
    late = Movement(bytes([3]) * 32, 2, 1, PAYER, OURS, 6)
    found = matching.transfers(
        block(
            *(transaction(index) for index in range(3)),
            logs=(log(1),),
            movements=(late, first),
        ),
        1,
        WATCHED,
    )
    assert [(item.units, item.position) for item in found] == [(5, -1), (9, 4), (6, -2)]
    assert [item.kind for item in found] == ["native", "erc20", "internal"]


def test_a_failed_transaction_of_the_relay_still_concerns_us():
    """It cost gas, and its nonce is gone."""
    given = block(
        transaction(0, RELAY),
        movements=(Movement(bytes([1]) * 32, 0, 0, RELAY, TOKEN, 0),),
        receipts=(receipt(0, status="0x0", sender=RELAY),),
    )
    view = matching.reduce_block(given, 1, WATCHED)
    (seen,) = view.transactions
    assert (seen.sender, seen.status, seen.gas_used, seen.effective_gas_price) == (
        RELAY,
        False,
        21_000,
        10,
    )
    assert view.transfers == ()


def test_a_call_of_a_vault_by_anybody_concerns_us_and_a_call_of_a_deposit_address_does_not():
    through = Movement(bytes([1]) * 32, 0, 2, PAYER, VAULT, 0)
    poke = Movement(bytes([2]) * 32, 1, 1, PAYER, OURS, 0)
    given = block(transaction(0), transaction(1), movements=(through, poke))
    assert matching.concerned(given, WATCHED) == matching.Concerned(frozenset({0}), whole=True)


def test_tokens_alone_need_no_proven_transaction():
    given = block(logs=(log(2),))
    assert matching.concerned(given, WATCHED) == matching.Concerned(frozenset({2}), whole=False)
    shown = block(logs=(log(0),), receipts=(receipt(0, log(0)),))
    (seen,) = matching.reduce_block(shown, 1, WATCHED).transactions
    assert seen.nonce is None


def test_a_transfer_in_a_failed_transaction_is_a_lie():
    given = block(transaction(0), logs=(log(),), receipts=(receipt(0, log(), status="0x0"),))
    with pytest.raises(NodeLied, match="failed"):
        matching.reduce_block(given, 1, WATCHED)


def test_a_transfer_of_no_transaction_in_the_block_is_a_lie():
    given = block(logs=(log(1, transaction_index="0x0"),), receipts=(receipt(0),))
    with pytest.raises(NodeLied, match="no transaction"):
        matching.reduce_block(given, 1, WATCHED)


def test_a_missing_receipt_is_a_lie():
    given = block(logs=(log(0),), receipts=())
    with pytest.raises(NodeLied, match="lacks the receipt"):
        matching.reduce_block(given, 1, WATCHED)

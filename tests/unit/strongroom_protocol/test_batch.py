"""Rule 4 of the vault's facts: a batch is read exactly, or refused."""

import pytest
from eth_abi.abi import encode
from eth_abi.packed import encode_packed

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.safe import (
    BATCH_MAX,
    Call,
    Payment,
    SafeTx,
    SafeTxRefused,
    batch_call,
    batch_safe_tx,
    decode_batch,
    decode_calls,
)

MULTI_SEND, TOKEN, PAYEE = (Address(bytes([n]) * 20) for n in (1, 2, 3))
VAULT = Address(b"\x04" * 20)
PAID = (Payment(TOKEN, PAYEE, 5), Payment(ZERO, PAYEE, 7), Payment(TOKEN, VAULT, 2**256 - 1))
GOOD = batch_safe_tx(PAID, 3, MULTI_SEND)


def item(to: bytes = PAYEE, value: int = 1, data: bytes = b"", operation: int = 0) -> bytes:
    kinds = ["uint8", "address", "uint256", "uint256", "bytes"]
    return bytes(encode_packed(kinds, [operation, to, value, len(data), data]))


def sent(packed: bytes, **changes: object) -> SafeTx:
    """A multiSend over any bytes, encoded canonically by eth-abi."""
    data = bytes.fromhex("8d80ff0a") + encode(["bytes"], [packed])
    return SafeTx(**{"to": MULTI_SEND, "value": 0, "data": data, "nonce": 3, "operation": 1}
                  | changes)  # type: ignore[arg-type]  # fmt: skip


def test_payments_come_back_in_their_order() -> None:
    assert decode_batch(GOOD, MULTI_SEND) == PAID
    transfer = bytes.fromhex("a9059cbb") + encode(["address", "uint256"], [PAYEE, 5])
    last = bytes.fromhex("a9059cbb") + encode(["address", "uint256"], [VAULT, 2**256 - 1])
    packed = item(TOKEN, 0, transfer) + item(PAYEE, 7) + item(TOKEN, 0, last)
    assert sent(packed) == GOOD


def moved(data: bytes) -> bytes:
    """The same argument behind a decoy: the offset points past 32 more bytes."""
    return data[:4] + (64).to_bytes(32, "big") + bytes(32) + data[36:]


WRONG = {
    "a plain call": sent(item(), operation=0),
    "another contract": sent(item(), to=PAYEE),
    "native coins along": sent(item(), value=1),
    "a refund": sent(item(), gas_price=1),
    "another function": sent(item(), data=b"\x01" + sent(item()).data[1:]),
    "nothing": sent(b""),
    "no call data": sent(item(), data=b""),
    "an item to the vault itself, written as zero": sent(item(ZERO)),
    "a delegatecall inside": sent(item(operation=1)),
    "a batch within the batch": sent(item(MULTI_SEND, 0, GOOD.data)),
    "an item cut off": sent(item()[:-1]),
    "an item that promises more": sent(item(data=b"\x01" * 32)[:-1]),
    "bytes behind the items": sent(item() + b"\x00"),
    "bytes behind the argument": sent(item(), data=sent(item()).data + bytes(32)),
    "dirty padding": sent(item(), data=sent(item()).data[:-1] + b"\x01"),
    "an offset past a decoy": sent(item(), data=moved(sent(item()).data)),
    "a length beyond everything": sent(
        item(), data=sent(item()).data[:36] + b"\xff" * 32 + sent(item()).data[68:]
    ),
    "too many": sent(item() * (BATCH_MAX + 1)),
}


@pytest.mark.parametrize("case", WRONG)
def test_is_refused(case: str) -> None:
    with pytest.raises(SafeTxRefused):
        decode_calls(WRONG[case], MULTI_SEND)


def test_as_many_as_the_guard_takes_are_read() -> None:
    assert len(decode_batch(sent(item() * BATCH_MAX), MULTI_SEND)) == BATCH_MAX


@pytest.mark.parametrize(
    "packed",
    [
        item(VAULT, 0, bytes.fromhex("e19a9dd9") + bytes(32)),
        item(PAYEE, 0),
        item(TOKEN, 0, bytes.fromhex("095ea7b3") + bytes(64)),
        item(TOKEN, 1, bytes.fromhex("a9059cbb") + encode(["address", "uint256"], [PAYEE, 5])),
    ],
)
def test_a_batch_of_payments_holds_payments_only(packed: bytes) -> None:
    with pytest.raises(SafeTxRefused):
        decode_batch(sent(packed), MULTI_SEND)


def test_what_cannot_be_read_is_not_made() -> None:
    for calls in ([], [Call(ZERO, 0, b"")], [Call(MULTI_SEND, 0, b"")], [Call(PAYEE, 0, b"", 1)]):
        with pytest.raises(SafeTxRefused):
            batch_call(calls, MULTI_SEND)

"""What comes back from an offline signer is believed only if it does what was ordered, exactly."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import rlp
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from strongroom.withdrawals import offline
from strongroom.withdrawals.errors import SignedWrong
from strongroom_protocol.addresses import ZERO, Address, parse_address
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.safe import payment_safe_tx
from strongroom_protocol.signatures import CURVE_ORDER

CHAIN = 31337
KEY: LocalAccount = Account.from_key(keccak(text="a cold key"))
OTHER: LocalAccount = Account.from_key(keccak(text="another key"))
WALLET = parse_address(KEY.address)
TOKEN, TO = Address(b"\x11" * 20), Address(b"\x22" * 20)
FEES = {"gas": 100_000, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}

ORDER = Withdrawal(
    organisation=b"\x01" * 32,
    wallet=WALLET,
    token=TOKEN,
    to=TO,
    units=250_000_000,
    max_fee_wei=10**15,
    reference="invoice-1",
    valid_until=2_000_000_000,
    policy_version=1,
    store_epoch=1,
)
ETHER_ORDER = replace(ORDER, token=ZERO)


def transfer(to: bytes = TO, units: int = ORDER.units, token: Address = TOKEN) -> bytes:
    return payment_safe_tx(token, Address(to), units, 0).data


def fields(**changes: Any) -> dict[str, Any]:
    """The transaction that the order wants, as eth-account takes it."""
    return {
        "type": 2,
        "chainId": CHAIN,
        "nonce": 3,
        "to": TOKEN,
        "value": 0,
        "data": transfer(),
        **FEES,
        **changes,
    }


def signed(key: LocalAccount = KEY, **changes: Any) -> bytes:
    """By eth-account, which is not ours."""
    return bytes(key.sign_transaction(fields(**changes)).raw_transaction)


def bent(change: Callable[[list[Any]], object]) -> bytes:
    """The right transaction with a field of its encoding changed."""
    items = rlp.decode(signed()[1:])
    change(items)
    return b"\x02" + rlp.encode(items)


def read(raw: bytes, order: Withdrawal = ORDER, kind: offline.SignedKind = "payment") -> Any:
    return offline.read_signed(raw, order, kind, CHAIN)


def test_the_payment_that_was_ordered_is_taken():
    found = read(signed())
    assert (found.attempt.sender, found.attempt.nonce) == (WALLET, 3)
    assert found.attempt.hash == keccak(found.attempt.raw)
    assert found.fees.fields() == {
        "gas": "100000",
        "max_fee_per_gas": "10000000000",
        "max_priority_fee_per_gas": "1000000000",
    }


def test_a_payment_in_the_coin_is_taken():
    raw = signed(to=TO, value=ORDER.units, data=b"")
    assert read(raw, ETHER_ORDER).kind == "payment"


def test_a_cancellation_is_the_wallets_empty_call_of_itself():
    raw = signed(to=WALLET, data=b"", gas=21_000)
    assert read(raw, ORDER, "cancel").kind == "cancel"


ELSE = "something else than the order"
WRONG: Mapping[str, tuple[bytes, str]] = {
    "another key": (signed(OTHER), "not by this withdrawal's wallet"),
    "another chain": (signed(chainId=1), "for chain 1"),
    "another token": (signed(to=b"\x33" * 20), ELSE),
    "paid to the receiver's own code": (signed(to=TO), ELSE),
    "value beside the transfer": (signed(value=1), ELSE),
    "another receiver": (signed(data=transfer(b"\x44" * 20)), ELSE),
    "one unit more": (signed(data=transfer(units=ORDER.units + 1)), ELSE),
    "one unit less": (signed(data=transfer(units=ORDER.units - 1)), ELSE),
    "an approval": (signed(data=keccak(b"approve(address,uint256)")[:4] + transfer()[4:]), ELSE),
    "a byte behind the transfer": (signed(data=transfer() + b"\x00"), ELSE),
    "dirty padding": (signed(data=transfer()[:4] + b"\x01" + transfer()[5:]), ELSE),
    "no call data": (signed(data=b""), ELSE),
    "too dear": (signed(maxFeePerGas=10**10 + 1), "more than the 1000000000000000 wei"),
    "too much gas": (signed(gas=100_001), "more than the 1000000000000000 wei"),
    "a fee beyond reason": (signed(maxFeePerGas=10**19), "max_fee_per_gas"),
    "gas for nothing": (bent(lambda t: t.__setitem__(4, b"\x01")), "gas"),
    "priority above the fee": (bent(lambda t: t.__setitem__(2, b"\xff" * 8)), "priority"),
    "the last nonce": (signed(nonce=2**64 - 1), "nonce"),
    "a nonce of nine bytes": (bent(lambda t: t.__setitem__(1, b"\x01" + bytes(8))), "nonce"),
    "a number of 33 bytes": (bent(lambda t: t.__setitem__(6, b"\x01" * 33)), "value"),
    "a changed nonce": (bent(lambda t: t.__setitem__(1, b"\x09")), "signed by"),
    "a contract creation": (bent(lambda t: t.__setitem__(5, b"")), "to:"),
    "a receiver of 19 bytes": (bent(lambda t: t.__setitem__(5, b"\x11" * 19)), "to:"),
    "a receiver that is a list": (bent(lambda t: t.__setitem__(5, [])), "is a list"),
    "call data that is a list": (bent(lambda t: t.__setitem__(7, [b"\x01"])), "is a list"),
    "a nonce that is a list": (bent(lambda t: t.__setitem__(1, [])), "is a list"),
    "an access list": (bent(lambda t: t.__setitem__(8, [[b"\x11" * 20, []]])), "access list"),
    "a field more": (bent(lambda t: t.append(b"")), "12 fields"),
    "a field less": (bent(lambda t: t.pop()), "12 fields"),
    "a leading zero": (bent(lambda t: t.__setitem__(1, b"\x00\x03")), "canonical"),
    "y parity 2": (bent(lambda t: t.__setitem__(9, b"\x02")), "v is 29"),
    "r of zero": (bent(lambda t: t.__setitem__(10, b"")), "r is outside"),
    "s in the upper half": (
        bent(lambda t: t.__setitem__(11, (CURVE_ORDER - 1).to_bytes(32, "big"))), "upper half"
    ),
    "bytes behind the end": (signed() + b"\x00", "superfluous"),
    "cut off": (signed()[:-1], "can't be used"),
    "the type alone": (b"\x02", "too short"),
    "nothing": (b"", "no EIP-1559"),
    "an old transaction": (
        bytes(
            KEY.sign_transaction(
                {"nonce": 3, "to": TOKEN, "value": 0, "data": transfer(), "gas": 100_000,
                 "gasPrice": 10**9, "chainId": CHAIN}
            ).raw_transaction
        ), "no EIP-1559",
    ),
    "a list of lists without end": (b"\x02" + b"\xf9\x03\x00" * 250, "can't be used"),
    "far too long": (b"\x02" + bytes(2_000), "length"),
    "a length in a long form": (
        b"\x02\xfa\x00" + len(rlp.encode(rlp.decode(signed()[1:])) [3:]).to_bytes(2, "big")
        + rlp.encode(rlp.decode(signed()[1:]))[2:], "can't be used",
    ),
    "the cancellation instead": (signed(to=WALLET, data=b""), ELSE),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "words"), WRONG.values(), ids=WRONG.keys())
def test_anything_else_is_refused_with_words(raw: bytes, words: str):
    with pytest.raises(SignedWrong) as caught:
        read(raw)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "raw",
    [
        signed(to=TO, value=ORDER.units, data=b"\x00"),
        signed(to=TO, value=ORDER.units - 1, data=b""),
        signed(to=OTHER.address, value=ORDER.units, data=b""),
        signed(),
    ],
    ids=["call data", "units", "receiver", "a token"],
)
def test_so_it_is_in_the_coin(raw: bytes):
    with pytest.raises(SignedWrong):
        read(raw, ETHER_ORDER)


@pytest.mark.parametrize(
    "changes",
    [{}, {"to": WALLET}, {"to": WALLET, "data": b"", "value": 1}, {"to": TO, "data": b""}],
    ids=["the payment", "call data", "value", "another receiver"],
)
def test_what_pays_is_no_cancellation(changes: dict[str, Any]):
    with pytest.raises(SignedWrong, match="does not cancel"):
        read(signed(**changes), ORDER, "cancel")


BODY = {"from": KEY.address, "nonce": 3, "raw": to_hex(signed()), "hash": "0x00", "fees": {}}
ANSWER = {"ok": True, "op": "spending_payment", "trace": "t", "body": BODY}


@pytest.mark.parametrize(
    "document",
    [
        BODY,
        ANSWER,
        {"type": offline.ANSWERS, "answers": [ANSWER]},
        {"type": offline.ANSWERS, "answers": [{"ok": True, "op": "policy_first"}, ANSWER]},
    ],
    ids=["a body", "an answer", "a file", "a file with policies"],
)
def test_the_transaction_is_found_in_what_deliver_wrote(document: Mapping[str, Any]):
    assert offline.raw_of(document) == signed()


REFUSED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "empty": ({}, "no signed transaction"),
    "no answers": ({"type": offline.ANSWERS, "answers": []}, "no signed transaction"),
    "answers that are none": ({"type": offline.ANSWERS, "answers": "x"}, "no signed transaction"),
    "the request itself": ({"type": offline.REQUESTS, "requests": []}, "no signed transaction"),
    "a refusal": ({"ok": False, "message": "the destination is cooling"}, "is cooling"),
    "a refusal at the end": (
        {"type": offline.ANSWERS, "answers": [ANSWER, {"ok": False, "message": "no"}]}, "refused",
    ),
    "a policy's answer": ({"ok": True, "op": "policy_first", "body": BODY}, "no payment's"),
    "an answer without a body": ({"ok": True, "op": "spending_payment"}, "no signed transaction"),
    "raw as a number": ({"raw": 5}, "no signed transaction"),
    "raw in capitals": ({"raw": to_hex(signed()).upper()}, "can't be read"),
    "raw of half a byte": ({"raw": to_hex(signed())[:-1]}, "can't be read"),
}  # fmt: skip


@pytest.mark.parametrize(("document", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_without_one_is_refused_with_words(document: Mapping[str, Any], words: str):
    with pytest.raises(SignedWrong) as caught:
        offline.raw_of(document)
    assert words in caught.value.message

"""Whom a transaction pays, by its own bytes: each kind that eth-account signs."""

import pytest
from eth_account import Account

from strongroom.chain.errors import NodeLied
from strongroom.chain.raw_transactions import payment_of

KEY = "0x" + "11" * 32
TO = "0x" + "22" * 20
LEGACY = {"nonce": 1, "gas": 21_000, "gasPrice": 7, "value": 5, "to": TO, "chainId": 1}
FEES = {"maxFeePerGas": 9, "maxPriorityFeePerGas": 1}
DYNAMIC = {**{name: LEGACY[name] for name in ("nonce", "gas", "value", "to", "chainId")}, **FEES}
AUTHORISATION = {
    "chainId": 1, "address": "0x" + "33" * 20, "nonce": 2, "yParity": 0, "r": 1, "s": 2,
}  # fmt: skip
KINDS = {
    "legacy": LEGACY,
    "EIP-2930": {**LEGACY, "type": 1, "accessList": []},
    "EIP-1559": {**DYNAMIC, "type": 2},
    "EIP-7702": {**DYNAMIC, "type": 4, "authorizationList": [AUTHORISATION], "accessList": []},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_payment_of_each_kind(kind: str):
    raw = bytes(Account.sign_transaction(KINDS[kind], KEY).raw_transaction)
    assert payment_of(raw) == (bytes.fromhex("22" * 20), 5)


def test_a_creation_pays_nobody_by_address():
    creation = {**LEGACY, "to": b"", "data": "0x00"}
    raw = bytes(Account.sign_transaction(creation, KEY).raw_transaction)
    assert payment_of(raw) == (b"", 5)


def test_a_kind_of_the_future_is_not_guessed():
    assert payment_of(b"\x05\xc0") is None


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x02\xc0", b"\x02\x81", b"\xc1\x80"])
def test_what_is_no_transaction_is_refused(raw: bytes):
    with pytest.raises(NodeLied):
        payment_of(raw)

from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.transactions import (
    AUTHORIZATIONS_MAX,
    DATA_MAX,
    FEE_PER_GAS_MAX,
    GAS_MAX,
    Authorization,
    LegacyTransaction,
    SetCodeTransaction,
    SignedAuthorization,
    Transaction1559,
    TransactionInvalid,
)
from tests.unit.strongroom_protocol.organisation import ADA, BEN, CAT, PAYEE

CHAIN = 31337
GOOD = Transaction1559(CHAIN, 3, 2, 50, 100_000, PAYEE, 7, b"\1\0\2")


def authorise(key, nonce=0, chain_id=CHAIN):
    authorization = Authorization(chain_id, Address(b"\x44" * 20), nonce)
    return SignedAuthorization(authorization, key.sign(authorization.signing_hash()))


FEES = st.tuples(st.integers(0, FEE_PER_GAS_MAX), st.integers(1, FEE_PER_GAS_MAX)).map(sorted)
CALLS = st.builds(
    lambda chain, nonce, fees, gas, to, value, data: Transaction1559(
        chain, nonce, fees[0], max(fees[1], 1), gas, Address(b"\1" + to), value, data
    ),
    st.integers(1, 2**63 - 1), st.integers(0, 2**64 - 2), FEES, st.integers(30_000, GAS_MAX),
    st.binary(min_size=19, max_size=19), st.integers(0, 2**256 - 1), st.binary(max_size=200),
)  # fmt: skip


def as_dict(tx, **more):
    return {
        "type": tx.TYPE,
        "chainId": tx.chain_id,
        "nonce": tx.nonce,
        "maxPriorityFeePerGas": tx.max_priority_fee_per_gas,
        "maxFeePerGas": tx.max_fee_per_gas,
        "gas": tx.gas,
        "to": tx.to,
        "value": tx.value,
        "data": tx.data,
        **more,
    }


@settings(max_examples=300)
@given(CALLS)
def test_type_2_bytes_equal_eth_account(tx):
    signature = ADA.sign(tx.signing_hash())
    theirs = Account.from_key(ADA.secret.secret).sign_transaction(as_dict(tx))
    assert TypedTransaction.from_dict(as_dict(tx)).hash() == tx.signing_hash()
    assert tx.signed_bytes(signature) == bytes(theirs.raw_transaction)
    assert tx.hash(signature) == bytes(theirs.hash)
    assert tx.sender(signature) == ADA.address
    assert Account.recover_transaction(tx.signed_bytes(signature))[2:].lower() == (
        ADA.address.hex()
    )


@settings(max_examples=200)
@given(CALLS)
def test_legacy_bytes_equal_eth_account(call):
    fees = call.max_fee_per_gas, call.gas
    tx = LegacyTransaction(call.chain_id, call.nonce, *fees, call.to, call.value, call.data)
    plain = as_dict(call, gasPrice=tx.gas_price)
    for name in ("type", "maxFeePerGas", "maxPriorityFeePerGas"):
        del plain[name]
    theirs = Account.from_key(ADA.secret.secret).sign_transaction(plain)
    signature = ADA.sign(tx.signing_hash())
    assert tx.signed_bytes(signature) == bytes(theirs.raw_transaction)
    assert tx.hash(signature) == bytes(theirs.hash)
    assert tx.sender(signature) == ADA.address


@given(st.lists(st.sampled_from([ADA, BEN, CAT]), min_size=1, unique=True), st.integers(0, 2**60))
def test_type_4_bytes_equal_eth_account(keys, nonce):
    signed = tuple(authorise(key, nonce) for key in keys)
    tx = SetCodeTransaction(CHAIN, 3, 2, 50, 500_000, PAYEE, 7, b"\1", signed)
    theirs = [
        Account.from_key(key.secret.secret).sign_authorization(
            {"chainId": CHAIN, "address": b"\x44" * 20, "nonce": nonce}
        )
        for key in keys
    ]
    signature = BEN.sign(tx.signing_hash())
    raw = Account.from_key(BEN.secret.secret).sign_transaction(
        as_dict(tx, authorizationList=theirs)
    )
    assert tx.signed_bytes(signature) == bytes(raw.raw_transaction)
    assert [one.authority() for one in signed] == [key.address for key in keys]


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": 0}, {"chain_id": -1}, {"chain_id": 2**63}, {"nonce": -1},
        {"nonce": 2**64 - 1}, {"nonce": 2**64}, {"max_priority_fee_per_gas": 51},
        {"max_priority_fee_per_gas": -1}, {"max_fee_per_gas": 0, "max_priority_fee_per_gas": 0},
        {"max_fee_per_gas": FEE_PER_GAS_MAX + 1}, {"gas": 0}, {"gas": 20_999}, {"gas": 21_089},
        {"gas": GAS_MAX + 1}, {"to": ZERO}, {"to": Address(b"")}, {"value": -1}, {"value": 2**256},
        {"data": b"\0" * (DATA_MAX + 1), "gas": GAS_MAX},
    ],
)  # fmt: skip
def test_nonsense_is_neither_hashed_nor_encoded(changes):
    signature = ADA.sign(GOOD.signing_hash())
    bad = replace(GOOD, **changes)
    for refuse in (bad.validate, bad.signing_hash, lambda: bad.signed_bytes(signature)):
        with pytest.raises(TransactionInvalid, match=next(iter(changes))):
            refuse()


def test_the_least_gas_is_the_floor_price_of_the_data():
    replace(GOOD, gas=21_000 + 10 * (4 + 1 + 4)).validate()


@pytest.mark.parametrize(
    "authorization",
    [
        Authorization(0, PAYEE, 0),
        Authorization(CHAIN, ZERO, 0),
        Authorization(CHAIN, PAYEE, 2**64 - 1),
        Authorization(CHAIN, PAYEE, -1),
    ],
)
def test_authorisations_for_every_chain_or_no_delegate_are_refused(authorization):
    with pytest.raises(TransactionInvalid):
        authorization.signing_hash()


def test_lists_of_authorisations_are_bounded_distinct_and_of_one_chain():
    one = authorise(ADA)
    tx = SetCodeTransaction(CHAIN, 3, 2, 50, 500_000, PAYEE, 0, b"", (one,))
    tx.validate()
    foreign = authorise(BEN, chain_id=1)
    for bad in ((), (one, foreign), (one, authorise(ADA, 1)), (one,) * (AUTHORIZATIONS_MAX + 1)):
        with pytest.raises(TransactionInvalid, match="authorizations"):
            replace(tx, authorizations=bad).validate()
    with pytest.raises(TransactionInvalid, match="gas"):
        replace(tx, gas=45_999).validate()
    assert tx.max_total_fee() == 500_000 * 50

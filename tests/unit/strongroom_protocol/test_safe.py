from dataclasses import replace

import pytest
from eth_abi.abi import encode as abi_encode
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.abi import selector
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.safe import (
    Payment,
    SafeTx,
    SafeTxRefused,
    decode_payment,
    domain,
    exec_calldata,
    pack_signatures,
    payment_safe_tx,
    permit_tail,
    rejection_safe_tx,
    safe_tx_hash,
    setup_initializer,
    unpack_signatures,
)
from strongroom_protocol.typed_data import as_json, domain_separator
from tests.unit.strongroom_protocol.organisation import ADA, BEN, CAT, PAYEE, TOKEN

VAULT = Address(b"\x5a" * 20)
ADDRESSES = st.binary(min_size=20, max_size=20).map(Address)
UINTS = st.integers(0, 2**256 - 1)
TXS = st.builds(
    SafeTx, ADDRESSES, UINTS, st.binary(max_size=100), UINTS, st.integers(0, 1), UINTS, UINTS,
    UINTS, ADDRESSES, ADDRESSES,
)  # fmt: skip
GOOD = payment_safe_tx(TOKEN, PAYEE, 77, 3)
DIGEST = b"\7" * 32


def test_type_hashes_are_those_printed_in_safe_1_5_0():
    assert keccak256(SafeTx.TYPE.encode()).hex() == (
        "bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8"
    )
    kind = bytes.fromhex("47e79534a245952e8b16893a336b85a3d9ea9fa8c573f3d803afb92a79469218")
    members = kind + abi_encode(["uint256", "address"], [5, VAULT])
    assert domain_separator(domain(5, VAULT)) == keccak256(members)


@given(TXS, st.integers(1, 2**60), ADDRESSES)
def test_hash_equals_eth_account_over_what_a_wallet_is_shown(tx, chain_id, vault):
    """P5."""
    message = encode_typed_data(full_message=as_json(tx.typed(domain(chain_id, vault))))
    theirs = keccak256(b"\x19" + message.version + message.header + message.body)
    assert safe_tx_hash(chain_id, vault, tx) == theirs


@given(st.sampled_from([ZERO, TOKEN]), st.integers(1, 2**256 - 1), st.integers(0, 2**64))
def test_a_payment_decodes_to_itself(token, units, nonce):
    assert decode_payment(payment_safe_tx(token, PAYEE, units, nonce)) == Payment(
        token, PAYEE, units
    )


@given(TXS)
def test_whatever_decodes_is_the_canonical_payment(tx):
    try:
        payment = decode_payment(tx)
    except SafeTxRefused:
        return
    assert payment_safe_tx(payment.token, payment.to, payment.units, tx.nonce) == tx


@pytest.mark.parametrize(
    "changes",
    [
        {"operation": 1}, {"safe_tx_gas": 1}, {"base_gas": 1}, {"gas_price": 1},
        {"gas_token": TOKEN}, {"refund_receiver": PAYEE}, {"value": 1},
        {"data": GOOD.data + b"\0"}, {"data": GOOD.data[:-1]}, {"data": GOOD.data[:4]},
        {"data": GOOD.data[:4] + b"\1" + GOOD.data[5:]},
        {"data": selector("approve(address,uint256)") + GOOD.data[4:]},
        {"data": selector("transferFrom(address,address,uint256)") + GOOD.data[4:]},
        {"data": GOOD.data[:36] + bytes(32)}, {"data": GOOD.data[:4] + bytes(32) + GOOD.data[36:]},
        {"to": PAYEE}, {"data": b"", "value": 0}, {"to": ZERO, "data": b"", "value": 5},
    ],
)  # fmt: skip
def test_anything_but_a_plain_payment_is_refused(changes):
    assert decode_payment(GOOD) == Payment(TOKEN, PAYEE, 77)
    with pytest.raises(SafeTxRefused):
        decode_payment(replace(GOOD, **changes))


def test_delegatecalls_and_refunds_are_named_in_the_refusal():
    with pytest.raises(SafeTxRefused, match="operation 1"):
        decode_payment(replace(GOOD, operation=1))
    refunds = (replace(GOOD, safe_tx_gas=1), replace(GOOD, base_gas=1), replace(GOOD, gas_price=1))
    for refund in refunds:
        with pytest.raises(SafeTxRefused, match="drain"):
            decode_payment(refund)


def test_a_rejection_is_no_payment():
    rejection = rejection_safe_tx(VAULT, 3)
    assert (rejection.to, rejection.value, rejection.data) == (VAULT, 0, b"")
    with pytest.raises(SafeTxRefused):
        decode_payment(rejection)


@given(TXS, st.binary(max_size=200))
def test_exec_calldata_equals_eth_abi(tx, signatures):
    kinds = ["address", "uint256", "bytes", "uint8", *["uint256"] * 3, *["address"] * 2, "bytes"]
    values = [tx.to, tx.value, tx.data, tx.operation, tx.safe_tx_gas, tx.base_gas, tx.gas_price]
    values += [tx.gas_token, tx.refund_receiver, signatures]
    assert exec_calldata(tx, signatures) == bytes.fromhex("6a761202") + abi_encode(kinds, values)


def test_setup_initializer_equals_eth_abi_and_refuses_unreachable_thresholds():
    owners, data = [b"\1" * 20, b"\2" * 20], b"install"
    kinds = ["address[]", "uint256", "address", "bytes", *["address"] * 2, "uint256", "address"]
    values = [owners, 2, VAULT, data, ZERO, ZERO, 0, ZERO]
    expected = bytes.fromhex("b63e800d") + abi_encode(kinds, values)
    assert setup_initializer([Address(one) for one in owners], 2, VAULT, data) == expected
    for bad in (0, 3):
        with pytest.raises(SafeTxRefused):
            setup_initializer([Address(one) for one in owners], bad, VAULT, data)
    with pytest.raises(SafeTxRefused):
        setup_initializer([VAULT, VAULT], 1, VAULT, data)


def test_signatures_travel_ascending_with_the_permit_behind_them():
    signed = [(key.address, key.sign(DIGEST)) for key in (CAT, BEN)]
    permit = ADA.sign(DIGEST)
    packed = pack_signatures(signed) + permit_tail(4, 99, permit)
    assert len(packed) == 2 * 65 + 81
    assert packed[130:146] == (4).to_bytes(8, "big") + (99).to_bytes(8, "big")
    assert packed[146:] == permit.to_bytes()
    owners, tail = unpack_signatures(packed, 2)
    assert owners == [signature for _, signature in sorted(signed, key=lambda pair: pair[0])]
    assert (tail.policy_version, tail.valid_until, tail.signature) == (4, 99, permit)
    assert [checksum(owner) for owner, _ in sorted(signed, key=lambda pair: pair[0])]


def test_doubled_owners_and_hidden_bytes_are_refused():
    signature = BEN.sign(DIGEST)
    with pytest.raises(SafeTxRefused):
        pack_signatures([(BEN.address, signature), (BEN.address, signature)])
    packed = signature.to_bytes() + permit_tail(1, 2, signature)
    for wrong in (packed + b"\0", packed[:-1], signature.to_bytes() + packed):
        with pytest.raises(SafeTxRefused):
            unpack_signatures(wrong, 1)
    with pytest.raises(ProtocolError):
        unpack_signatures(packed[:64] + b"\1" + packed[65:], 1)
    with pytest.raises(ProtocolError):
        permit_tail(2**64, 0, signature)

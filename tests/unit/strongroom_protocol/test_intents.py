from dataclasses import replace

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import (
    AddressProvenance,
    CustodyManifest,
    PolicyBundle,
    Rejection,
    Revoke,
    Suspend,
    VaultPayment,
    Withdrawal,
)
from strongroom_protocol.permit import Permit

HASHES = st.binary(min_size=32, max_size=32)
ADDRESSES = st.binary(min_size=20, max_size=20).map(Address)
UINT32, UINT64, UINT256 = (st.integers(0, 2**bits - 1) for bits in (32, 64, 256))
TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)
CHAINS = st.integers(1, 2**53)

TAILS = st.binary(min_size=19, max_size=19)
WALLETS = TAILS.map(lambda tail: Address(b"\xaa" + tail))
PAYEES = TAILS.map(lambda tail: Address(b"\xbb" + tail))
WITHDRAWALS = st.builds(
    Withdrawal, HASHES, WALLETS, st.just(ZERO), PAYEES, UINT256.filter(bool), UINT256, TEXT,
    UINT64, UINT64, UINT64,
)  # fmt: skip
STRUCTURES = st.one_of(
    WITHDRAWALS,
    st.builds(VaultPayment, HASHES, HASHES, ADDRESSES, ADDRESSES, UINT256),
    st.builds(Rejection, HASHES, TEXT),
    st.builds(PolicyBundle, HASHES, UINT64, HASHES, HASHES),
    st.builds(CustodyManifest, UINT32, HASHES, UINT32, HASHES),
    st.builds(AddressProvenance, HASHES, TEXT, ADDRESSES),
    st.builds(Suspend, HASHES, UINT64),
    st.builds(Revoke, HASHES, ADDRESSES),
)
GOOD = Withdrawal(
    b"\1" * 32, Address(b"\2" * 20), Address(b"\3" * 20), Address(b"\4" * 20), 5, 6, "ref", 7, 8, 9
)


@given(STRUCTURES, CHAINS)
def test_what_a_wallet_is_shown_hashes_to_what_is_signed(intent, chain_id):
    """P5: what is shown is what is hashed, checked by an independent tool."""
    message = encode_typed_data(full_message=intent.as_json(chain_id))
    theirs = keccak256(b"\x19" + message.version + message.header + message.body)
    assert intent.digest(chain_id) == theirs
    assert message.header == keccak_domain(chain_id)


def keccak_domain(chain_id):
    kind = keccak256(b"EIP712Domain(string name,string version,uint256 chainId)")
    parts = (kind, keccak256(b"Strongroom"), keccak256(b"1"), chain_id.to_bytes(32, "big"))
    return keccak256(b"".join(parts))


@given(STRUCTURES)
def test_the_wire_form_reads_back(intent):
    assert type(intent).from_fields(intent.fields()) == intent


def test_the_permits_typehash_is_the_guards():
    kind = keccak256(Permit.TYPE.encode()).hex()
    assert kind == "2108e0608731bed522e21e8d017caa5f5583705c6ad56fa7980a146f43b8261f"


@pytest.mark.parametrize(
    "changes",
    [
        {"units": 0}, {"units": 2**256}, {"to": ZERO}, {"to": GOOD.wallet}, {"to": GOOD.token},
        {"reference": ""}, {"reference": "x" * 281}, {"reference": "a\nb"},
        {"reference": "pay\u202eevil"}, {"valid_until": 2**64}, {"organisation": b"\1" * 31},
        {"wallet": b"\2" * 19}, {"max_fee_wei": -1}, {"units": True}, {"units": "5"},
    ],
)  # fmt: skip
def test_withdrawals_out_of_bounds_are_refused(changes):
    with pytest.raises(ProtocolError):
        replace(GOOD, **changes)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("units", 5), ("units", "05"), ("units", "-5"), ("units", "5.0"), ("units", "1" * 79),
        ("validUntil", str(2**64)), ("organisation", "0x" + "AB" * 32), ("organisation", "0x01"),
        ("organisation", "01" * 32), ("to", "0x1234"), ("reference", 5), ("extra", "1"),
    ],
)  # fmt: skip
def test_the_wire_form_has_one_writing(member, value):
    with pytest.raises(ProtocolError):
        Withdrawal.from_fields({**GOOD.fields(), member: value})


def test_a_missing_member_and_an_empty_reason_are_refused():
    fields = GOOD.fields()
    del fields["storeEpoch"]
    with pytest.raises(ProtocolError, match="storeEpoch"):
        Withdrawal.from_fields(fields)
    with pytest.raises(ProtocolError, match="reason"):
        Rejection(b"\1" * 32, "")


@given(WITHDRAWALS, CHAINS)
def test_every_field_and_the_chain_change_the_request_id(intent, chain_id):
    """P4: the id of a request belongs to exactly one payment."""
    digests = {intent.digest(chain_id), intent.digest(chain_id + 1)}
    for name in ("max_fee_wei", "valid_until", "policy_version", "store_epoch"):
        digests.add(replace(intent, **{name: getattr(intent, name) ^ 1}).digest(chain_id))
    digests.add(replace(intent, reference=intent.reference + "x").digest(chain_id))
    digests.add(replace(intent, units=intent.units ^ 2 or 7).digest(chain_id))
    assert len(digests) == 8

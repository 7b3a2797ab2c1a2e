import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.addresses import Address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.typed_data import (
    Domain,
    Field,
    TypedData,
    as_json,
    digest,
    domain_separator,
    encode_type,
    hash_struct,
)

COW = Address(bytes.fromhex("CD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"))
BOB = Address(bytes.fromhex("bB" * 20))
TYPES = {
    "Person": (Field("name", "string"), Field("wallet", "address")),
    "Mail": (Field("from", "Person"), Field("to", "Person"), Field("contents", "string")),
}
MAIL = TypedData(
    Domain("Ether Mail", "1", 1, Address(bytes.fromhex("Cc" * 20))),
    TYPES,
    "Mail",
    {
        "from": {"name": "Cow", "wallet": COW},
        "to": {"name": "Bob", "wallet": BOB},
        "contents": "Hello, Bob!",
    },
)


def their_digest(typed):
    message = encode_typed_data(full_message=as_json(typed))
    return keccak256(b"\x19" + message.version + message.header + message.body)


def test_the_mail_example_of_eip_712():
    assert encode_type(TYPES, "Mail") == (
        "Mail(Person from,Person to,string contents)Person(string name,address wallet)"
    )
    assert domain_separator(MAIL.domain).hex() == (
        "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
    )
    assert hash_struct(TYPES, "Mail", MAIL.values).hex() == (
        "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e"
    )
    assert digest(MAIL).hex() == (
        "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    )
    assert their_digest(MAIL) == digest(MAIL)


EVERYTHING = {
    "Inner": (Field("flag", "bool"), Field("words", "string[]")),
    "Outer": (
        Field("number", "uint256"),
        Field("small", "uint8"),
        Field("time", "uint64"),
        Field("hash", "bytes32"),
        Field("raw", "bytes"),
        Field("inner", "Inner"),
        Field("many", "Inner[]"),
    ),
}
INNER = st.fixed_dictionaries({"flag": st.booleans(), "words": st.lists(st.text(), max_size=3)})
OUTER = st.fixed_dictionaries(
    {
        "number": st.integers(0, 2**256 - 1),
        "small": st.integers(0, 255),
        "time": st.integers(0, 2**64 - 1),
        "hash": st.binary(min_size=32, max_size=32),
        "raw": st.binary(max_size=70),
        "inner": INNER,
        "many": st.lists(INNER, max_size=3),
    }
)


@given(OUTER, st.integers(1, 2**64))
def test_every_type_hashes_as_eth_account_hashes_what_is_shown(values, chain_id):
    typed = TypedData(Domain("x", None, chain_id), EVERYTHING, "Outer", values)
    assert their_digest(typed) == digest(typed)


def test_integers_are_shown_as_decimal_strings_and_the_domain_is_typed():
    shown = as_json(MAIL)
    assert shown["primaryType"] == "Mail"
    assert shown["domain"]["chainId"] == "1"
    assert [field["name"] for field in shown["types"]["EIP712Domain"]] == [
        "name", "version", "chainId", "verifyingContract",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256), ("uint64", 2**64), ("uint256", -1), ("uint256", 2**256),
        ("uint256", "1"), ("uint256", True), ("bool", 1), ("bytes32", b"\0" * 31),
        ("address", b"\0" * 19), ("string", b"x"), ("bytes", "x"), ("int8", 1), ("string[]", "x"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_their_type_are_refused(kind, value):
    with pytest.raises(ProtocolError):
        hash_struct({"T": (Field("a", kind),)}, "T", {"a": value})


@pytest.mark.parametrize("values", [{}, {"a": 1, "b": 2}, {"b": 1}])
def test_missing_and_unknown_members_are_refused(values):
    with pytest.raises(ProtocolError):
        hash_struct({"T": (Field("a", "uint8"),)}, "T", values)

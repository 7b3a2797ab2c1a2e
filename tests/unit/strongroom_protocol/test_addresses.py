import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.addresses import (
    Address,
    AddressChecksumWrong,
    AddressInvalid,
    address_of_public_key,
    checksum,
    create2,
    parse_address,
)

EIP_55 = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
EIP_1014 = [
    ("00" * 20, "00" * 32, "00", "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"),
    (
        "deadbeef00000000000000000000000000000000",
        "00" * 32,
        "00",
        "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3",
    ),
    (
        "00000000000000000000000000000000deadbeef",
        "00000000000000000000000000000000000000000000000000000000cafebabe",
        "deadbeef",
        "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7",
    ),
    ("00" * 20, "00" * 32, "", "0xE33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"),
]


@pytest.mark.parametrize("text", EIP_55)
def test_eip_55_vectors_read_and_write(text):
    assert checksum(parse_address(text)) == text
    assert parse_address(text.lower()) == parse_address(text)


@given(st.binary(min_size=20, max_size=20))
def test_checksum_equals_eth_utils(data):
    assert checksum(data) == to_checksum_address(data)


@pytest.mark.parametrize(("deployer", "salt", "code", "expected"), EIP_1014)
def test_eip_1014_vectors(deployer, salt, code, expected):
    address = create2(Address(bytes.fromhex(deployer)), bytes.fromhex(salt), bytes.fromhex(code))
    assert checksum(address) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "0x", EIP_55[0][2:], EIP_55[0] + "0", EIP_55[0][:-1], "0X" + EIP_55[0][2:],
        EIP_55[0] + "\n", "0x" + "g" * 40, None, 5, b"\0" * 20,
    ],
)  # fmt: skip
def test_malformed_addresses_are_refused(text):
    with pytest.raises(AddressInvalid) as caught:
        parse_address(text)
    assert caught.value.code == "address.invalid"


@pytest.mark.parametrize("text", EIP_55[4:])
def test_one_wrong_case_is_a_wrong_checksum(text):
    i = next(i for i, letter in enumerate(text) if i > 1 and letter.isalpha())
    with pytest.raises(AddressChecksumWrong):
        parse_address(text[:i] + text[i].swapcase() + text[i + 1 :])
    with pytest.raises(AddressChecksumWrong):
        parse_address("0x" + text[2:].upper())


def test_other_lengths_have_no_address():
    for call in (
        lambda: checksum(b"\0" * 19),
        lambda: address_of_public_key(b"\2" * 33),
        lambda: create2(Address(b"\0" * 20), b"\0" * 31, b""),
    ):
        with pytest.raises(AddressInvalid):
            call()

"""Ethereum addresses: 20 bytes inside, EIP-55 text outside."""

import re
from functools import lru_cache
from typing import Final, NewType

from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256

Address = NewType("Address", bytes)

ZERO: Final = Address(bytes(20))
ADDRESSES_KEPT: Final = 4096
# Bit 0x20 is what tells "a" from "A": kept where the digit is a letter, and where EIP-55's hash
# has a nibble of 8 or more.
_LETTERS = bytes(0x20 if chr(code) in "abcdef" else 0 for code in range(256))
_HIGH_NIBBLES = bytes(0x20 if chr(code) in "89abcdef" else 0 for code in range(256))
_FORM = re.compile(r"0x[0-9a-fA-F]{40}")


class AddressInvalid(ProtocolError):
    """The text is no address: wrong length, wrong digits, no 0x."""

    code = "address.invalid"


class AddressChecksumWrong(AddressInvalid):
    """Upper and lower case do not match EIP-55: a mistyped or altered address."""

    code = "address.checksum_wrong"


def parse_address(text: object) -> Address:
    """The 20 bytes of an address written in EIP-55 or all lower case.

    Raises AddressInvalid (length, digits) and AddressChecksumWrong (case).
    """
    if not isinstance(text, str):
        raise AddressInvalid(f"an address must be text, not {type(text).__name__}")
    return _parse(text)


# The same few addresses stand in everything that an organisation signs.
@lru_cache(maxsize=ADDRESSES_KEPT)
def _parse(text: str) -> Address:
    if not _FORM.fullmatch(text):
        raise AddressInvalid(
            f"{text[:60]!r} is no address: it must be 0x and 40 hexadecimal digits, "
            f"here are {len(text)} characters"
        )
    address = Address(bytes.fromhex(text[2:]))
    if text != text.lower() and text != checksum(address):
        raise AddressChecksumWrong(
            f"{text} fails its EIP-55 checksum: a digit or its case was changed; copy it again"
        )
    return address


@lru_cache(maxsize=ADDRESSES_KEPT)
def checksum(address: bytes) -> str:
    """EIP-55 text of 20 bytes."""
    if len(address) != 20:
        raise AddressInvalid(f"an address has 20 bytes, not {len(address)}")
    plain = address.hex().encode("ascii")
    nibbles = keccak256(plain)[:20].hex().encode("ascii")
    flip = int.from_bytes(plain.translate(_LETTERS), "big")
    flip &= int.from_bytes(nibbles.translate(_HIGH_NIBBLES), "big")
    return "0x" + (int.from_bytes(plain, "big") ^ flip).to_bytes(40, "big").decode("ascii")


def address_of_public_key(public_key: bytes) -> Address:
    """Address of an uncompressed secp256k1 point: 65 bytes with its 0x04, or the 64 without."""
    point = public_key[1:] if len(public_key) == 65 and public_key[0] == 4 else public_key
    if len(point) != 64:
        raise AddressInvalid("a public key must be the uncompressed point of 64 or 65 bytes")
    return Address(keccak256(point)[12:])


def create2(deployer: Address, salt: bytes, init_code: bytes) -> Address:
    """Address of a contract made by CREATE2 (EIP-1014); `salt` is 32 bytes."""
    if len(deployer) != 20 or len(salt) != 32:
        raise AddressInvalid("CREATE2 takes a deployer of 20 bytes and a salt of 32")
    return Address(keccak256(b"\xff" + deployer + salt + keccak256(init_code))[12:])

"""Deposit addresses from an account's extended public key (BIP-32, BIP-44), without a secret.

An xpub with one leaf's private key gives the account's private key: xpubs are confidential.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from coincurve import PublicKey

from strongroom_protocol.addresses import Address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256

HARDENED = 2**31
ACCOUNT_DEPTH = 3
_VERSION = bytes.fromhex("0488b21e")
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class KeyInvalid(ProtocolError):
    """No extended public key, or no child of one."""

    code = "hd.key_invalid"


@dataclass(frozen=True, slots=True)
class ExtendedKey:
    """An extended public key: `public_key` is the compressed point, `chain_code` 32 bytes."""

    depth: int
    child_number: int
    chain_code: bytes
    public_key: bytes

    def child(self, index: int) -> "ExtendedKey":
        """CKDpub: the non-hardened child; raises KeyInvalid."""
        if not 0 <= index < HARDENED:
            raise KeyInvalid(f"index {index} must be 0 to 2^31 - 1: an xpub has no hardened child")
        parent = PublicKey(self.public_key)
        digest = hmac.digest(self.chain_code, self.public_key + index.to_bytes(4, "big"), "sha512")
        point = _add(parent, digest[:32], index)
        return ExtendedKey(self.depth + 1, index, digest[32:], point.format())


def parse_xpub(text: str) -> ExtendedKey:
    """An extended public key of the main network; raises KeyInvalid saying what is wrong."""
    data = _unbase58(text)
    payload, check_sum = data[:-4], data[-4:]
    if len(payload) != 78 or _check_sum(payload) != check_sum:
        raise KeyInvalid("the xpub is mistyped or cut: its check sum does not fit")
    if payload[:4] != _VERSION:
        raise KeyInvalid("this is no extended PUBLIC key of the main network (xpub…)")
    depth, number = payload[4], int.from_bytes(payload[9:13], "big")
    try:
        PublicKey(payload[45:])
    except ValueError as error:
        raise KeyInvalid("the xpub holds no point of the curve") from error
    if depth == 0 and any(payload[5:13]):
        raise KeyInvalid("a master key has neither parent nor index")
    return ExtendedKey(depth, number, payload[13:45], payload[45:])


def path(account_index: int, index: int, branch: int = 0) -> str:
    """The full path of a key: m/44'/60'/account'/branch/index; branch 0 holds the deposits."""
    return f"m/44'/60'/{account_index}'/{branch}/{index}"


def xpub_hash(xpub: str) -> bytes:
    """What officers sign instead of the confidential text: Keccak-256 of the xpub's characters;
    raises KeyInvalid.
    """
    if not xpub.isascii():
        raise KeyInvalid("an xpub is about 111 letters and digits, all of them ASCII")
    return keccak256(xpub.encode("ascii"))


def child_address(xpub: str, index: int) -> Address:
    """Address number `index` of the account: …/0/index; raises KeyInvalid."""
    return next(addresses(xpub, index, 1))


def addresses(xpub: str, start: int, count: int, branch: int = 0) -> Iterator[Address]:
    """Addresses start … start + count - 1 of an account's xpub (depth 3) on that branch: 0 is
    deposits, 1 is spending keys; raises KeyInvalid.
    """
    if start < 0 or count < 0 or start + count > HARDENED:
        raise KeyInvalid("start and count must name indexes from 0 to 2^31 - 1")
    account = parse_xpub(xpub)
    if account.depth != ACCOUNT_DEPTH:
        raise KeyInvalid(
            f"this xpub stands at depth {account.depth}; an account's, m/44'/60'/account', at 3"
        )
    return _derive(account.child(branch), start, count)


def _derive(external: ExtendedKey, start: int, count: int) -> Iterator[Address]:
    parent = PublicKey(external.public_key)
    chain_code, prefix = external.chain_code, external.public_key
    for index in range(start, start + count):
        digest = hmac.digest(chain_code, prefix + index.to_bytes(4, "big"), "sha512")
        point = _add(parent, digest[:32], index)
        yield Address(keccak256(point.format(compressed=False)[1:])[12:])


def _add(parent: PublicKey, tweak: bytes, index: int) -> PublicKey:
    try:
        return parent.add(tweak)
    except ValueError as error:
        raise KeyInvalid(f"index {index} has no key (chance 2^-127): use the next") from error


def _check_sum(payload: bytes) -> bytes:
    return sha256(sha256(payload).digest()).digest()[:4]


def _unbase58(text: str) -> bytes:
    if len(text) > 120 or not text.isascii() or any(letter not in _ALPHABET for letter in text):
        raise KeyInvalid("an xpub is about 111 letters and digits, without 0, O, I and l")
    number = 0
    for letter in text:
        number = number * 58 + _ALPHABET.index(letter)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")

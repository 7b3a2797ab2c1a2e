"""The running signer's keys: what each is for, and the one way to sign with it.

A digest has exactly 32 bytes, the signature is normalised to low s and must recover to the key's
own address before it is handed out. Leaf handles are kept in a bounded LRU.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import coincurve
from pkcs11 import Attribute, Mechanism, ObjectClass, PKCS11Error

from strongroom_protocol.addresses import Address, address_of_public_key
from strongroom_protocol.signatures import Signature, SignatureInvalid, from_ecdsa, recover
from strongroom_signer.errors import TokenLost, Unfit, check
from strongroom_signer.token import templates
from strongroom_signer.token.session import TokenSession

# 8 KiB of token memory a handle: 32 MiB at most.
LEAF_HANDLES_MAX = 4096


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Addresses of the keys born in the token, and the log's Ed25519 key (32 bytes)."""

    permit: Address
    relay: Address
    attest: Address
    orders: Address
    log: bytes


class Keyring:
    """Signs for one purpose at a time; the purpose picks the key."""

    def __init__(self, token: TokenSession) -> None:
        """Looks every handle up once. Raises Unfit: a key is missing, or the KEK is soft."""
        self._private = {
            label: token.need(ObjectClass.PRIVATE_KEY, label)
            for label in (*templates.SIGNING, templates.LOG)
        }
        self._token = token
        self._permits = _permits(token)
        self._keks = self._hardened_keks()
        self._integrity = token.need(ObjectClass.SECRET_KEY, templates.INTEGRITY)
        self._leaves: OrderedDict[Address, Any] = OrderedDict()
        self.public = public_keys(token)

    def permit(self, digest: bytes, signer: Address) -> Signature:
        """Sign a vault's Permit with the permit key of this address; `holds_permit` says which."""
        check(self.holds_permit(signer), "a Permit is asked of a key that is here")
        return self._sign(self._permits[signer], digest, signer)

    def holds_permit(self, signer: Address) -> bool:
        """Whether this is one of the token's permit keys, of whatever generation."""
        if signer not in self._permits:  # rotated while this process ran
            self._permits = _permits(self._token)
        return signer in self._permits

    def permit_keys(self) -> tuple[Address, ...]:
        """The permit keys' addresses, oldest first."""
        return tuple(self._permits)

    def relay(self, digest: bytes) -> Signature:
        """Sign a transaction of the relay."""
        return self._sign(self._private[templates.RELAY], digest, self.public.relay)

    def attest(self, digest: bytes) -> Signature:
        """Sign the provenance of an address."""
        return self._sign(self._private[templates.ATTEST], digest, self.public.attest)

    def order(self, digest: bytes) -> Signature:
        """Sign the permit of a fiat order."""
        return self._sign(self._private[templates.ORDERS], digest, self.public.orders)

    def leaf(self, address: Address, blob: bytes, digest: bytes, kek: int) -> Signature:
        """Sign with a leaf: unwrapped on first use by the KEK of generation `kek`, refused if it
        is not the key of `address`.
        """
        handle = self._leaves.get(address)
        if handle is None:
            handle = self._unwrap(blob, kek)
            self._leaves[address] = handle
            if len(self._leaves) > LEAF_HANDLES_MAX:
                _, oldest = self._leaves.popitem(last=False)
                oldest.destroy()
        self._leaves.move_to_end(address)
        return self._sign(handle, digest, address)

    def log(self, text: bytes) -> bytes:
        """Ed25519 over a checkpoint's text: 64 bytes."""
        return self._use(self._private[templates.LOG], text, Mechanism.EDDSA)

    def seal(self, document: bytes) -> bytes:
        """HMAC-SHA-256 by the token over a document of the signer's own."""
        return self._use(self._integrity, document, Mechanism.SHA256_HMAC)

    def _unwrap(self, blob: bytes, kek: int) -> Any:
        if kek not in self._keks:  # rotated while this process ran
            self._keks = self._hardened_keks()
        if kek not in self._keks:
            raise TokenLost(f"the signer token holds no KEK of generation {kek}")
        try:
            return templates.unwrap_leaf(self._keks[kek], blob)
        except PKCS11Error as error:
            raise TokenLost(f"a leaf could not be unwrapped: {type(error).__name__}") from None

    def _hardened_keks(self) -> dict[int, Any]:
        found = templates.keks(self._token)
        if not found:
            self._token.need(ObjectClass.SECRET_KEY, templates.KEK)
        for kek in found.values():
            templates.check_hardened(kek)
        return found

    def _sign(self, handle: Any, digest: bytes, expected: Address) -> Signature:
        check(len(digest) == 32 and any(digest), "a digest has 32 bytes and is not zero")
        raw = self._use(handle, digest, Mechanism.ECDSA)
        check(len(raw) == 64, "the token's ECDSA signature has 64 bytes")
        numbers = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        try:
            return from_ecdsa(digest, *numbers, expected)
        except SignatureInvalid:
            raise TokenLost("a signature does not recover to its own key's address") from None

    def _use(self, handle: Any, data: bytes, mechanism: Mechanism) -> bytes:
        try:
            return bytes(handle.sign(data, mechanism=mechanism))
        except PKCS11Error as error:
            raise TokenLost(f"the token does not sign: {type(error).__name__}") from None


def public_keys(token: TokenSession) -> PublicKeys:
    """The public halves, read from the token; of the permit keys the newest."""

    def address(label: str) -> Address:
        return address_of_public_key(_point(token, label))

    return PublicKeys(
        permit=address(templates.permit_labels(token)[-1]),
        relay=address(templates.RELAY),
        attest=address(templates.ATTEST),
        orders=address(templates.ORDERS),
        log=_point(token, templates.LOG),
    )


def _permits(token: TokenSession) -> dict[Address, Any]:
    """Address → private key of every permit key, oldest first."""
    return {
        address_of_public_key(_point(token, label)): token.need(ObjectClass.PRIVATE_KEY, label)
        for label in templates.permit_labels(token)
    }


def _point(token: TokenSession, label: str) -> bytes:
    """A public key's point (CKA_EC_POINT is DER-wrapped)."""
    wrapped = bytes(token.need(ObjectClass.PUBLIC_KEY, label)[Attribute.EC_POINT])
    check(wrapped[0] == 4 and wrapped[1] == len(wrapped) - 2, "EC_POINT is an octet string")
    return wrapped[2:]


def check_backend() -> None:
    """coincurve must be libsecp256k1 at work: a known key, digest and address. Raises Unfit."""
    key = coincurve.PrivateKey(b"\x01" * 32)
    digest = b"\x02" * 32
    compact = key.sign_recoverable(digest, hasher=None)
    r, s = int.from_bytes(compact[:32], "big"), int.from_bytes(compact[32:64], "big")
    signature = Signature(r, s, 27 + compact[64])
    if recover(digest, signature) != address_of_public_key(key.public_key.format(compressed=False)):
        raise Unfit("coincurve does not recover its own signature: reinstall it")

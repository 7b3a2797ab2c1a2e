"""Recoverable secp256k1 signatures in the one form that we accept.

65 bytes r ‖ s ‖ v, v 27 or 28, s in the lower half (EIP-2). No EIP-2098, no v 0/1, no eth_sign
prefix: one approval has one encoding, so it cannot be counted twice.
"""

from dataclasses import dataclass
from functools import lru_cache

from coincurve import PublicKey

from strongroom_protocol.addresses import Address, address_of_public_key
from strongroom_protocol.errors import ProtocolError

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HALF_ORDER = CURVE_ORDER // 2


class SignatureInvalid(ProtocolError):
    """No signature in the accepted form, or none that belongs to any key."""

    code = "signature.invalid"


@dataclass(frozen=True, slots=True)
class Signature:
    """r, s and v (27 or 28) of an ECDSA signature; checked when it is made."""

    r: int
    s: int
    v: int

    def __post_init__(self) -> None:
        """Check: raises SignatureInvalid."""
        if self.v not in (27, 28):
            raise SignatureInvalid(f"v is {self.v}, must be 27 or 28")
        if not 0 < self.r < CURVE_ORDER:
            raise SignatureInvalid("r is outside the curve's order")
        if not 0 < self.s <= _HALF_ORDER:
            raise SignatureInvalid("s is zero or in the upper half: normalise the signature")

    @classmethod
    def parse(cls, data: bytes) -> "Signature":
        """From exactly 65 bytes r ‖ s ‖ v; raises SignatureInvalid."""
        if len(data) != 65:
            raise SignatureInvalid(f"a signature has 65 bytes r, s, v; this has {len(data)}")
        return cls(int.from_bytes(data[:32], "big"), int.from_bytes(data[32:64], "big"), data[64])

    @property
    def y_parity(self) -> int:
        """0 or 1, as typed transactions want it (EIP-2718)."""
        return self.v - 27

    def to_bytes(self) -> bytes:
        """The 65 bytes that `parse` reads."""
        return self.r.to_bytes(32, "big") + self.s.to_bytes(32, "big") + bytes([self.v])


@lru_cache(maxsize=4096)
def recover(digest: bytes, signature: Signature) -> Address:
    """Address of the key that signed the 32-byte `digest`; raises SignatureInvalid. The same
    question, asked by several checks in a row, is worked out once.
    """
    if len(digest) != 32:
        raise SignatureInvalid(f"a digest has 32 bytes, not {len(digest)}")
    compact = signature.to_bytes()[:64] + bytes([signature.y_parity])
    try:
        key = PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception for a point off the curve
        raise SignatureInvalid("the signature belongs to no key") from error
    return address_of_public_key(key.format(compressed=False))


def from_ecdsa(digest: bytes, r: int, s: int, expected: Address) -> Signature:
    """The accepted form of a raw (r, s), as a token returns it: low s, and the v that recovers.

    Raises SignatureInvalid if neither v gives `expected`.
    """
    low = CURVE_ORDER - s if s > _HALF_ORDER else s
    for v in (27, 28):
        signature = Signature(r, low, v)
        try:
            if recover(digest, signature) == expected:
                return signature
        except SignatureInvalid:
            continue
    raise SignatureInvalid("the signature was not made by the expected key over this digest")

"""The one encoding of a signature that counts; each of the others is refused in its own words.

One approval has one form, so it can't be counted twice: 65 bytes r, s, v, low s, v 27 or 28.
"""

from typing import Final

from strongroom.withdrawals import errors
from strongroom_protocol.addresses import Address
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.signatures import CURVE_ORDER, Signature, recover

COMPACT_BYTES: Final = 64
"""EIP-2098: r, and s with the parity in its highest bit."""
BYTES: Final = 65
SAFE_ETH_SIGN: Final = (31, 32)
"""Safe's own mark of a signature by eth_sign."""


def read(text: str, what: str) -> Signature:
    """The signature over `what`. Raises SignatureMalformed, SignatureEncodingWrong."""
    try:
        raw = from_hex(text, field="signature")
    except ProtocolError as error:
        raise _malformed(what, str(error)) from error
    other = _other_form(raw)
    if other is not None:
        raise errors.SignatureEncodingWrong(
            f"The signature over {what} is in another form: {other}. One approval has one form: "
            "send the 65 bytes r, s, v with v 27 or 28 and s in the lower half of the curve."
        )
    try:
        return Signature.parse(raw)
    except ProtocolError as error:
        raise _malformed(what, str(error)) from error


def maker(digest: bytes, signature: Signature, what: str) -> Address:
    """Whose key made it over this digest. Raises SignatureMalformed: nobody's."""
    try:
        return recover(digest, signature)
    except ProtocolError as error:
        raise _malformed(what, str(error)) from error


def _other_form(raw: bytes) -> str | None:
    """Which well-known other form of a good signature this is."""
    if len(raw) == COMPACT_BYTES:
        return "the 64 bytes of EIP-2098"
    if len(raw) != BYTES:
        return None
    s, v = int.from_bytes(raw[32:64], "big"), raw[64]
    if v in (0, 1):
        return f"v is {v}, the bare parity"
    if v in SAFE_ETH_SIGN:
        return f"v is {v}, by which Safe marks eth_sign"
    if v in (27, 28) and CURVE_ORDER // 2 < s < CURVE_ORDER:
        return "s is in the upper half (EIP-2)"
    return None


def _malformed(what: str, why: str) -> errors.SignatureMalformed:
    return errors.SignatureMalformed(
        f"The signature over {what} can't be used: {why}. Send the 65 bytes r, s, v of "
        "eth_signTypedData_v4, in lower-case hex."
    )

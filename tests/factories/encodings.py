"""The other ways to write one good signature; each must be refused, or an approval counts twice."""

from collections.abc import Callable
from functools import partial

from strongroom_protocol.signatures import CURVE_ORDER


def high_s(signature: str) -> str:
    """The same signature in its other form: s in the upper half, v flipped (EIP-2)."""
    raw = bytes.fromhex(signature[2:])
    s = CURVE_ORDER - int.from_bytes(raw[32:64], "big")
    return "0x" + (raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]])).hex()


def compact(signature: str) -> str:
    """EIP-2098: r, and s with the parity in its highest bit."""
    raw = bytes.fromhex(signature[2:])
    s = int.from_bytes(raw[32:64], "big") | ((raw[64] - 27) << 255)
    return "0x" + (raw[:32] + s.to_bytes(32, "big")).hex()


def with_v(signature: str, shift: int) -> str:
    raw = bytes.fromhex(signature[2:])
    return "0x" + (raw[:64] + bytes([raw[64] + shift])).hex()


OTHER_FORMS: dict[str, Callable[[str], str]] = {
    "high s": high_s,
    "EIP-2098": compact,
    "bare parity": partial(with_v, shift=-27),
    "Safe's eth_sign": partial(with_v, shift=4),
}

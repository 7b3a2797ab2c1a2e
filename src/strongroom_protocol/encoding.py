"""The text forms of bytes and of large integers in our JSON: 0x hex and decimal strings."""

import re

from strongroom_protocol.errors import FieldInvalid

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")


def to_hex(data: bytes) -> str:
    """`0x` and lower-case hexadecimal digits."""
    return "0x" + data.hex()


def from_hex(text: object, length: int | None = None, *, field: str = "value") -> bytes:
    """Bytes of lower-case 0x hex, exactly `length` of them if given; raises FieldInvalid."""
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise FieldInvalid(f"{field}: must be 0x and lower-case hexadecimal digits, in pairs")
    data = bytes.fromhex(text[2:])
    if length is not None and len(data) != length:
        raise FieldInvalid(f"{field}: is {len(data)} bytes long, must be {length}")
    return data


def from_decimal(text: object, bits: int = 256, *, field: str = "value") -> int:
    """The integer in a decimal string without sign or leading zero, below 2^bits; FieldInvalid."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise FieldInvalid(f"{field}: must be a decimal string without sign or leading zeros")
    number = int(text)
    if number >> bits:
        raise FieldInvalid(f"{field}: {text} does not fit {bits} bits")
    return number

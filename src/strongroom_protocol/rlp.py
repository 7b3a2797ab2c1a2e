"""Recursive length prefix, writing only (Ethereum Yellow Paper, appendix B)."""

from collections.abc import Sequence
from typing import TypeAlias

from strongroom_protocol.errors import RangeExceeded

Item: TypeAlias = bytes | int | Sequence["Item"]


def encode(item: Item) -> bytes:
    """RLP of bytes, of a non-negative integer (big-endian, no leading zeros), or of a list."""
    if isinstance(item, int):
        if item < 0:
            raise RangeExceeded(f"RLP has no negative integers: {item}")
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(0x80, len(item)) + item
    payload = b"".join([encode(part) for part in item])
    return _prefix(0xC0, len(payload)) + payload


def _prefix(offset: int, length: int) -> bytes:
    if length <= 55:
        return bytes([offset + length])
    width = (length.bit_length() + 7) // 8
    return bytes([offset + 55 + width]) + length.to_bytes(width, "big")

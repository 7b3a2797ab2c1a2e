"""Recursive length prefix decoding (Ethereum yellow paper, appendix B), strict: one spelling."""

from typing import TypeAlias

from strongroom_verify.errors import Malformed

Item: TypeAlias = "bytes | list[Item]"
_DEPTH_MAX = 16  # headers, receipts, transactions and trie nodes nest less


def decode(raw: bytes) -> Item:
    """The one item that these bytes encode. Raises Malformed, also for a second spelling."""
    item, end = _item(raw, 0, len(raw), 0)
    if end != len(raw):
        raise Malformed("RLP with bytes after its end")
    return item


def decode_list(raw: bytes) -> list[Item]:
    """The same, when it must be a list."""
    item = decode(raw)
    if not isinstance(item, list):
        raise Malformed("RLP that should be a list is a string")
    return item


def as_bytes(item: Item, size: int | None = None) -> bytes:
    """A string item, of `size` bytes when given. Raises Malformed."""
    if not isinstance(item, bytes) or (size is not None and len(item) != size):
        raise Malformed("an RLP field is not the string that belongs there")
    return item


def as_list(item: Item) -> list[Item]:
    """A list item. Raises Malformed."""
    if not isinstance(item, list):
        raise Malformed("an RLP field is not the list that belongs there")
    return item


def as_integer(item: Item) -> int:
    """A number: big-endian without leading zeros. Raises Malformed."""
    raw = as_bytes(item)
    if raw[:1] == b"\x00" or len(raw) > 32:
        raise Malformed("an RLP number has leading zeros or more than 32 bytes")
    return int.from_bytes(raw, "big")


def encode_integer(value: int) -> bytes:
    """The RLP of a small number, as the keys of receipt and transaction tries are written."""
    if value < 0:
        raise Malformed("RLP has no negative numbers")
    if 0 < value < 0x80:
        return bytes([value])
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([0x80 + len(raw)]) + raw


def _item(raw: bytes, at: int, end: int, depth: int) -> tuple[Item, int]:
    if at >= end or depth > _DEPTH_MAX:
        raise Malformed("RLP is cut off or nested too deep")
    prefix = raw[at]
    if prefix < 0x80:
        return raw[at : at + 1], at + 1
    is_list = prefix >= 0xC0
    short = prefix - (0xC0 if is_list else 0x80)
    start, stop = _extent(raw, at, end, short)
    if not is_list:
        text = raw[start:stop]
        if len(text) == 1 and text[0] < 0x80:
            raise Malformed("RLP spells a single byte in two")
        return text, stop
    items: list[Item] = []
    position = start
    while position < stop:
        item, position = _item(raw, position, stop, depth + 1)
        items.append(item)
    return items, stop


def _extent(raw: bytes, at: int, end: int, short: int) -> tuple[int, int]:
    """Where a payload begins and ends, from the prefix at `at`."""
    if short <= 55:
        start, stop = at + 1, at + 1 + short
    else:
        start = at + 1 + short - 55
        width = raw[at + 1 : start]
        if start > end or width[:1] == b"\x00":
            raise Malformed("RLP length is cut off or has leading zeros")
        length = int.from_bytes(width, "big")
        if length <= 55:
            raise Malformed("RLP spells a short length in the long form")
        stop = start + length
    if stop > end:
        raise Malformed("RLP is cut off")
    return start, stop

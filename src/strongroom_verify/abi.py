"""Solidity's argument encoding, read strictly: what has a second spelling is refused.

Values: address and bytes32 and bytes → bytes, uintN → int, arrays → list, tuples → tuple.
"""

from typing import Any

from strongroom_verify.errors import Malformed

_WORD = 32


def split(inside: str) -> list[str]:
    """The types of "address,(address,uint128)[],bytes"."""
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(inside):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append(inside[start:at])
            start = at + 1
    return [*parts, inside[start:]] if inside else []


def decode(types: list[str], data: bytes) -> list[Any]:
    """The arguments. Raises Malformed unless `data` is exactly how they are encoded."""
    values = []
    for at, kind in enumerate(types):
        word = _word(data, at * _WORD)
        values.append(_tail(kind, data, _number(word)) if _dynamic(kind) else _atom(kind, word))
    if encode(types, values) != data:
        raise Malformed("the call data has a second spelling: offsets, padding or its end differ")
    return values


def encode(types: list[str], values: list[Any]) -> bytes:
    """The one encoding of these values."""
    head, tail = b"", b""
    for kind, value in zip(types, values, strict=True):
        if _dynamic(kind):
            head += _uint(len(types) * _WORD + len(tail))
            tail += _uint(len(value)) + _content(kind, value)
        else:
            head += _encoded(kind, value)
    return head + tail


def _content(kind: str, value: Any) -> bytes:
    if kind == "bytes":
        return bytes(value) + bytes(-len(value) % _WORD)
    return b"".join(_encoded(kind[:-2], item) for item in value)


def _tail(kind: str, data: bytes, offset: int) -> Any:
    count, start = _number(_word(data, offset)), offset + _WORD
    if kind == "bytes":
        if start + count > len(data):
            raise Malformed("the call data is cut off")
        return data[start : start + count]
    item = kind[:-2]
    width = len(_members(item)) * _WORD
    if start + count * width > len(data):
        raise Malformed("the call data is cut off")
    return [_item(item, data, start + at * width) for at in range(count)]


def _item(kind: str, data: bytes, at: int) -> Any:
    members = [
        _atom(member, _word(data, at + place * _WORD))
        for place, member in enumerate(_members(kind))
    ]
    return tuple(members) if kind.startswith("(") else members[0]


def _members(kind: str) -> list[str]:
    return split(kind[1:-1]) if kind.startswith("(") else [kind]


def _encoded(kind: str, value: Any) -> bytes:
    if kind.startswith("("):
        return b"".join(map(_encoded, _members(kind), value))
    return _uint(value) if isinstance(value, int) else bytes(value).rjust(_WORD, b"\0")


def _atom(kind: str, word: bytes) -> Any:
    if kind == "bytes32":
        return word
    if kind == "address":
        if any(word[:12]):
            raise Malformed("an address in the call data has dirt before it")
        return word[12:]
    if _number(word) >> int(kind.removeprefix("uint")):
        raise Malformed(f"a number in the call data does not fit {kind}")
    return _number(word)


def _dynamic(kind: str) -> bool:
    return kind == "bytes" or kind.endswith("[]")


def _word(data: bytes, at: int) -> bytes:
    word = data[at : at + _WORD]
    if len(word) != _WORD:
        raise Malformed("the call data is cut off")
    return word


def _number(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _uint(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")

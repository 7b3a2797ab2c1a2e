"""Seeded nonsense for the socket: broken frames, broken JSON, honest requests bent in a place."""

import json
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.wire import FRAME_MAX, HEADER_BYTES

# What a member is replaced by: limits, other types, other forms of the same, and old tricks.
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53 - 1, -(2**53) + 1, "", "0", "-1", "00", "1e9",
    "0x", "0x0", "0X" + "00" * 20, "0x" + "00" * 20, "0x" + "ff" * 20, "0x" + "00" * 32,
    "0x" + "ff" * 32, "0x" + "ff" * 65, "0x" + "00" * 65, str(2**64 - 1), str(2**63),
    str(2**256 - 1), str(2**256), "9" * 78, "9" * 5000, "\u0661",
    "a" * 300, "\u202e", "\x00", "\ud800", "\n", "é", "e\u0301",
    "cancel", "payment", "rejection", "sweep", "CLEAR", "__class__", "'; DROP TABLE spend; --",
    [], {}, [[]], [None], {"": ""}, [0] * 101, {"a": {"b": {"c": []}}},
)  # fmt: skip


def framed(body: bytes) -> bytes:
    """A frame of the right length, whatever the body is."""
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def bent(random: Random, request: dict[str, Any]) -> bytes:
    """The frame of a request with one to three members changed, dropped, added or doubled."""
    copy: dict[str, Any] = json.loads(json.dumps(request))
    for _ in range(random.randint(1, 3)):
        _bend(random, copy)
    try:
        return framed(canonical_bytes(copy))
    except (ProtocolError, UnicodeError):
        return framed(json.dumps(copy, separators=(",", ":"), sort_keys=True).encode())


def broken(random: Random, frame: bytes) -> bytes:
    """A frame with its bytes changed, cut, or its length wrong."""
    kind = random.randrange(5)
    if kind == 0:
        return random.randbytes(random.randint(1, 200))
    if kind == 1:
        return framed(random.randbytes(random.randint(1, 200)))
    if kind == 2:
        return random.choice((0, FRAME_MAX + 1, 2**32 - 1)).to_bytes(4, "big") + frame[4:]
    changed = bytearray(frame)
    for _ in range(random.randint(1, 4)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed) if kind == 3 else bytes(changed[: random.randrange(len(changed))])


def deep(levels: int) -> bytes:
    """A frame whose brackets never end."""
    return framed(b'{"body":' + b"[" * levels)


def _bend(random: Random, value: dict[str, Any]) -> None:
    container, key = random.choice(list(_places(value)))
    kind = random.randrange(6)
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, dict):
        container[random.choice(("x", "", "__proto__", "op", "nonce"))] = _odd(random)
    elif kind == 2 and isinstance(container, list):
        container.extend(deepcopy(container[key]) for _ in range(random.randint(1, 3)))
    elif kind == 3 and isinstance(container[key], str) and container[key]:
        text = container[key]
        place = random.randrange(len(text))
        container[key] = text[:place] + random.choice("0f9xX \u200d") + text[place + 1 :]
    else:
        container[key] = _odd(random)


def _odd(random: Random) -> Any:
    """One of its own: a later change must not reach the list."""
    return deepcopy(random.choice(ODD))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below `value`; only what is there is changed."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list) and value[key]:
            yield from _places(value[key])

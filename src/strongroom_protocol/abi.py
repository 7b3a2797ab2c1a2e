"""Solidity's call data, writing only: words, and dynamic parts behind offsets."""

from collections.abc import Sequence

from strongroom_protocol.addresses import Address
from strongroom_protocol.errors import RangeExceeded
from strongroom_protocol.hashing import keccak256


class Dynamic(bytes):
    """An argument that stands behind an offset: a length and what follows it."""

    __slots__ = ()


def uint(value: int, bits: int = 256) -> bytes:
    """One word; raises RangeExceeded."""
    if value < 0 or value >> bits:
        raise RangeExceeded(f"{value} does not fit uint{bits}")
    return value.to_bytes(32, "big")


def address(value: Address) -> bytes:
    """One word, zeros before the 20 bytes; raises RangeExceeded."""
    if len(value) != 20:
        raise RangeExceeded(f"an address has 20 bytes, not {len(value)}")
    return value.rjust(32, b"\0")


def byte_string(value: bytes) -> Dynamic:
    """`bytes`: length, content, zeros up to the word."""
    return Dynamic(uint(len(value)) + value + bytes(-len(value) % 32))


def array(items: Sequence[bytes]) -> Dynamic:
    """An array of static items, each already encoded."""
    return Dynamic(uint(len(items)) + b"".join(items))


def arguments(*parts: bytes) -> bytes:
    """Static parts in place, Dynamic ones as offsets to the tail."""
    head_length = sum(32 if isinstance(part, Dynamic) else len(part) for part in parts)
    head, tail = b"", b""
    for part in parts:
        if isinstance(part, Dynamic):
            head += uint(head_length + len(tail))
            tail += part
        else:
            head += part
    return head + tail


def selector(signature: str) -> bytes:
    """First four bytes of the hash of "transfer(address,uint256)"."""
    return keccak256(signature.encode("ascii"))[:4]


def call(signature: str, *parts: bytes) -> bytes:
    """Call data: selector and arguments."""
    return selector(signature) + arguments(*parts)

"""Frames of the signer's socket: 4 bytes of length, big-endian, then canonical JSON."""

from typing import Any

from strongroom_protocol.canonical import canonical_bytes, parse_canonical
from strongroom_protocol.errors import ProtocolError

HEADER_BYTES = 4
# Several hundred sweep items with their clearances fit; a flood of memory does not.
FRAME_MAX = 1 << 20


class FrameInvalid(ProtocolError):
    """A frame of the wrong length, or one that carries no JSON object."""

    code = "wire.frame_invalid"


def frame(message: dict[str, Any]) -> bytes:
    """Header and body of one message; raises FrameInvalid above 1 MiB, NotCanonical."""
    body = canonical_bytes(message)
    if len(body) > FRAME_MAX:
        raise FrameInvalid(f"a message of {len(body)} bytes is longer than {FRAME_MAX}: split it")
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def body_length(header: bytes) -> int:
    """Number of bytes that follow the 4-byte header; raises FrameInvalid."""
    if len(header) != HEADER_BYTES:
        raise FrameInvalid(f"a header has {HEADER_BYTES} bytes, not {len(header)}")
    length = int.from_bytes(header, "big")
    if not 0 < length <= FRAME_MAX:
        raise FrameInvalid(f"a body of {length} bytes is not between 1 and {FRAME_MAX}")
    return length


def parse_body(body: bytes) -> dict[str, Any]:
    """The message in a body; raises NotCanonical, FrameInvalid."""
    message = parse_canonical(body)
    if not isinstance(message, dict):
        raise FrameInvalid("a message must be a JSON object")
    return message

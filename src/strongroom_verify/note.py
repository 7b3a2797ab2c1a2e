"""The signed checkpoint: C2SP tlog-checkpoint in a C2SP signed-note, one Ed25519 line.

Three lines (origin, size, base64 of the root), extension lines if any, an empty line, then the
signature line: an em dash, the origin again, and base64 of four bytes naming the key followed by
the signature.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom_verify.errors import Malformed

_ED25519 = b"\x01"
_SHAPE = re.compile(
    r"(?P<origin>[^\s+]+)\n(?P<size>0|[1-9][0-9]{0,15})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"(?:[ -~]+\n){0,16}"  # extension lines, such as the head of the signer's own journal
    r"\n\u2014 (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/=]+)\n"
)


@dataclass(frozen=True)
class Checkpoint:
    """What the log's key signed: this tree size and root under this origin."""

    origin: str
    size: int
    root: bytes
    signed: bytes
    key_hash: bytes
    signature: bytes


def key_hash(origin: str, public_key: bytes) -> bytes:
    """The first four bytes of SHA-256(origin LF 0x01 public key), C2SP signed-note."""
    return hashlib.sha256(origin.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def parse(raw: bytes) -> Checkpoint:
    """Read a checkpoint. Raises Malformed, also for a tree of size zero."""
    try:
        found = _SHAPE.fullmatch(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Malformed("the checkpoint is not text") from error
    if not found or found["origin"] != found["name"]:
        raise Malformed("the checkpoint is not a signed note of origin, size, root and signature")
    signature = _unbase64(found["signature"])
    if len(signature) != 68:
        raise Malformed("the checkpoint's signature line does not hold 4 + 64 bytes")
    size = int(found["size"])
    if size == 0:
        raise Malformed("a tree of size zero proves nothing and is refused")
    signed = raw[: raw.index(b"\n\n") + 1]
    root = _unbase64(found["root"])
    return Checkpoint(found["origin"], size, root, signed, signature[:4], signature[4:])


def check_signature(checkpoint: Checkpoint, public_key: bytes) -> None:
    """Raises Malformed unless this Ed25519 key (32 bytes) signed the checkpoint."""
    if checkpoint.key_hash != key_hash(checkpoint.origin, public_key):
        raise Malformed("the checkpoint names another key than the log key given")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            checkpoint.signature, checkpoint.signed
        )
    except (InvalidSignature, ValueError) as error:
        raise Malformed("the checkpoint's signature is not valid for the log key") from error


def _unbase64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Malformed("the checkpoint holds broken base64") from error
    if base64.b64encode(raw).decode() != text:
        raise Malformed("the checkpoint holds base64 in a second spelling")
    return raw

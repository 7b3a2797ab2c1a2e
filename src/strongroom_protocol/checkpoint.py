"""Checkpoints of the log as C2SP signed notes (tlog-checkpoint, signed-note), Ed25519.

Text: origin, size, base64 root, then extension lines; a blank line; "— origin base64(hash4 ‖ sig)".
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom_protocol.errors import ProtocolError

_ALGORITHM_ED25519 = b"\x01"
_ORIGIN = re.compile(r"[!-*,-~]{1,100}")  # printable ASCII without space and plus
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
# Far above any note of ours; bounds what a reader has to look at.
NOTE_MAX = 16_384


class CheckpointInvalid(ProtocolError):
    """No checkpoint of this log, or none signed by this key."""

    code = "checkpoint.invalid"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log `origin` had `size` records under `root`; extensions are lines of our own."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check: raises CheckpointInvalid."""
        if not _ORIGIN.fullmatch(self.origin):
            raise CheckpointInvalid("the origin must be printable ASCII without space or plus")
        if self.size < 0 or len(self.root) != 32:
            raise CheckpointInvalid("a checkpoint has a size from 0 and a root of 32 bytes")
        if any(not line or not line.isprintable() for line in self.extensions):
            raise CheckpointInvalid("extension lines must be printable and not empty")

    def text(self) -> bytes:
        """The bytes that are signed, with the last line's end."""
        root = base64.b64encode(self.root).decode("ascii")
        lines = (self.origin, str(self.size), root, *self.extensions)
        return "".join(f"{line}\n" for line in lines).encode("utf-8")


def key_hash(origin: str, public_key: bytes) -> bytes:
    """First 4 bytes of SHA-256(name ‖ LF ‖ 0x01 ‖ key); `public_key` is 32 bytes."""
    return hashlib.sha256(origin.encode() + b"\n" + _ALGORITHM_ED25519 + public_key).digest()[:4]


def signed_note(checkpoint: Checkpoint, public_key: bytes, signature: bytes) -> str:
    """The note with one signature line; the 64-byte signature is over `checkpoint.text()`."""
    if len(signature) != 64 or len(public_key) != 32:
        raise CheckpointInvalid("an Ed25519 signature has 64 bytes and its key 32")
    stamp = base64.b64encode(key_hash(checkpoint.origin, public_key) + signature).decode("ascii")
    return f"{checkpoint.text().decode()}\n— {checkpoint.origin} {stamp}\n"


def open_note(note: str, origin: str, public_key: bytes) -> Checkpoint:
    """The checkpoint in a note that `public_key` signed for the log `origin`.

    Lines of other keys are passed over, as the standard wants. Raises CheckpointInvalid.
    """
    text, separator, stamps = note.partition("\n\n")
    if len(note) > NOTE_MAX or not separator or not stamps.endswith("\n"):
        raise CheckpointInvalid("a signed note has a text, a blank line, and signature lines")
    checkpoint = _parse_text(text)
    if checkpoint.origin != origin or checkpoint.text() != (text + "\n").encode("utf-8"):
        raise CheckpointInvalid(f"the note is not in canonical form or not of the log {origin}")
    key = Ed25519PublicKey.from_public_bytes(public_key)
    for line in stamps.splitlines():
        signature = _signature_in(line, origin, public_key)
        if signature is None:
            continue
        try:
            key.verify(signature, checkpoint.text())
        except InvalidSignature as error:
            raise CheckpointInvalid("the log's signature does not fit the text") from error
        return checkpoint
    raise CheckpointInvalid(f"the note carries no signature by the key of {origin}")


def _parse_text(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 3 or not _SIZE.fullmatch(lines[1]):
        raise CheckpointInvalid("a checkpoint begins with origin, size and root, a line each")
    return Checkpoint(lines[0], int(lines[1]), _decode(lines[2]), tuple(lines[3:]))


def _signature_in(line: str, origin: str, public_key: bytes) -> bytes | None:
    mark, _, rest = line.partition(" ")
    name, _, stamp = rest.partition(" ")
    if mark != "—" or name != origin:
        return None
    data = _decode(stamp)
    return data[4:] if data[:4] == key_hash(origin, public_key) else None


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointInvalid("a line that must be base64 is not") from error

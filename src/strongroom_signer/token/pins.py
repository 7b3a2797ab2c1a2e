"""Where a token's PIN comes from: files that only their owner can read, or file descriptors handed
over by the starter, never the environment. The vault token's PIN is made of the officers' parts,
so that nobody has it alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from strongroom_signer.errors import Unfit

PIN_MIN, PIN_MAX = 8, 255
_PARTS_TAG = b"strongroom vault pin 1"
_JOINED_DIGITS = 32


@dataclass(slots=True)
class Pin:
    """One source is the PIN itself; of several, each is an officer's part."""

    files: tuple[Path, ...] = ()
    descriptors: tuple[int, ...] = ()
    _read_once: str | None = field(default=None, repr=False)

    def read(self) -> str:
        """The PIN. A descriptor is read once and closed. Raises Unfit without showing any of it."""
        if self._read_once is not None:
            return self._read_once
        parts = [read_pin(path) for path in self.files]
        parts += [_read_descriptor(number) for number in self.descriptors]
        pin = join_parts(parts) if len(parts) > 1 else parts[0]
        if self.descriptors:
            self._read_once = pin
        return pin


def join_parts(parts: Sequence[str]) -> str:
    """32 hexadecimal digits of SHA-256 over a tag and each part behind its length (4 bytes, big
    endian). All parts are needed, in their order. Raises Unfit when two are the same.
    """
    if len(set(parts)) != len(parts):
        raise Unfit("two parts of the vault's PIN are the same: each officer has a part of his own")
    hashed = hashlib.sha256(_PARTS_TAG)
    for part in parts:
        hashed.update(len(part).to_bytes(4, "big") + part.encode("ascii"))
    return hashed.hexdigest()[:_JOINED_DIGITS]


def read_pin(path: Path) -> str:
    """The PIN in a file that only its owner can read; raises Unfit without showing any of it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise Unfit(f"the PIN file {path} cannot be read") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Unfit(f"the PIN file {path} is open to others: chmod 600 it, then change the PIN")
    return _long_enough(text, str(path))


def _read_descriptor(number: int) -> str:
    try:
        with os.fdopen(number, "rb") as handle:
            text = handle.read(PIN_MAX + 2).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise Unfit(f"no PIN can be read from file descriptor {number}") from None
    return _long_enough(text, f"file descriptor {number}")


def _long_enough(text: str, place: str) -> str:
    if not PIN_MIN <= len(text) <= PIN_MAX:
        raise Unfit(
            f"the PIN in {place} is shorter than {PIN_MIN} or longer than {PIN_MAX} characters"
        )
    return text

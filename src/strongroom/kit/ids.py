"""Row ids: UUID version 7 (RFC 9562, section 5.7) from a given clock and a given source of bits."""

import random
import secrets
from collections.abc import Callable
from typing import Final
from uuid import UUID

from strongroom.kit.clock import Clock

HOUSE: Final = UUID(int=0)
"""The organisation of the house itself."""

RandomBits = Callable[[int], int]
"""Gives so many random bits as an integer."""


class Seeded:
    """Bits that a seed decides, so that a run can be replayed. Never for secrets."""

    def __init__(self, seed: int) -> None:
        """The same seed gives the same ids in the same order."""
        self._random = random.Random(seed)  # noqa: S311 - replayable on purpose, not for secrets

    def __call__(self, bits: int) -> int:
        """The next `bits` bits."""
        return self._random.getrandbits(bits)


def new_id(clock: Clock, bits: RandomBits = secrets.randbits) -> UUID:
    """A new UUIDv7: 48 bits of milliseconds, then 74 random bits."""
    milliseconds = int(clock.now().timestamp() * 1000)
    noise = bits(74)
    value = (milliseconds & (2**48 - 1)) << 80
    value |= 0x7 << 76 | (noise >> 62) << 64
    value |= 0b10 << 62 | (noise & (2**62 - 1))
    return UUID(int=value)

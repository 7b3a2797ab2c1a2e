"""The log's values."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Head:
    """How many records have a place, and the root over them."""

    size: int
    root: bytes
    sequenced_at: datetime


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head that the signer signed: a C2SP note."""

    size: int
    root: bytes
    note: str
    signed_at: datetime

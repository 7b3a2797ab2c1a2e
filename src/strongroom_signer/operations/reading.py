"""Reading the members of a request's body that several operations share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.signatures import Signature

SIGNATURES_MAX = 100


def signature_at(value: object, path: str) -> Signature:
    """A 65-byte signature in 0x hex; raises FieldInvalid, SignatureInvalid."""
    return Signature.parse(from_hex(value, 65, field=path))


def signatures_in(members: Members, name: str) -> Sequence[Signature]:
    """A list of signatures."""
    return members.list(name, signature_at, maximum=SIGNATURES_MAX)


def anything(value: Any, _path: str) -> Any:
    """A document that is parsed by its own reader."""
    return value

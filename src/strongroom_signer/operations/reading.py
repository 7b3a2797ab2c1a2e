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


def signed_document(value: object, path: str) -> tuple[Any, bytes]:
    """{document, signature}: an Ed25519 signature of 64 bytes; the document has its own reader."""

    def signature_64(text: object, where: str) -> bytes:
        return from_hex(text, 64, field=where)

    members = Members(value, path, {"document", "signature"})
    return members.part("document", anything), members.part("signature", signature_64)

"""What a record is, byte by byte: JCS (RFC 8785) of a fixed shape, and the leaf made of it."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring as _quoted
from typing import Any, Final
from uuid import UUID

from strongroom.db.actor import Actor
from strongroom.kit.check import check
from strongroom_protocol import merkle

RECORD_TYPE: Final = "strongroom.record/1"
INTEGER_MAX: Final = 2**53 - 1
_DEPTH_MAX: Final = 32
_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def canonical(value: object) -> bytes:
    """RFC 8785 bytes; the same as strongroom_protocol.canonical for values with ASCII keys.

    Python's own encoder writes JCS when there are no fractions, integers stay below 2^53 and keys
    are ASCII (a test compares the two); it is several times faster, and each unit of work pays it.
    """
    _check_value(value, 0)
    return _ENCODE(value).encode("utf-8")


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def encode_rows(rows: Sequence[Mapping[str, object]]) -> tuple[bytes, bytes]:
    """(the rows as one JCS array, the RFC 6962 root over the rows' JCS bytes)."""
    encoded = [canonical(dict(row)) for row in rows]
    leaves = [hashlib.sha256(b"\x00" + row).digest() for row in encoded]
    return b"[" + b",".join(encoded) + b"]", leaves[0] if len(leaves) == 1 else merkle.root(leaves)


def encode(
    *,
    organisation_id: UUID,
    actor: Actor,
    request_id: str,
    at: datetime,
    action: str,
    subject: str,
    body: Mapping[str, object],
    rows_root: bytes | None,
) -> bytes:
    """The record's canonical bytes.

    Its keys are known, so they stand here in JCS order (a test compares with `canonical`).
    """
    before, after = around_the_moment(
        organisation_id=organisation_id,
        actor=actor,
        request_id=request_id,
        action=action,
        subject=subject,
        body=body,
        rows_root=rows_root,
    )
    return at_moment(before, after, at)


def at_moment(before: bytes, after: bytes, at: datetime) -> bytes:
    """The whole record, once its moment is known."""
    return before + timestamp(at).encode() + after


def around_the_moment(
    *,
    organisation_id: UUID,
    actor: Actor,
    request_id: str,
    action: str,
    subject: str,
    body: Mapping[str, object],
    rows_root: bytes | None,
) -> tuple[bytes, bytes]:
    """What stands before and after the moment: all that can fail to be encoded."""
    for text in (action, actor.id, request_id, subject):
        _check_value(text, 0)
    _check_value(actor.version, 0)
    root = "null" if rows_root is None else f'"0x{rows_root.hex()}"'
    before = (
        f'{{"action":{_quoted(action)},"actor":{{"id":{_quoted(actor.id)},'
        f'"kind":{_quoted(actor.kind)},"version":{actor.version}}},"at":"'
    )
    after = (
        f'","body":{canonical(dict(body)).decode()},"organisation":"{organisation_id}",'
        f'"request_id":{_quoted(request_id)},"rows_root":{root},"subject":{_quoted(subject)},'
        f'"type":"{RECORD_TYPE}"}}'
    )
    return before.encode(), after.encode()


def leaf_content(
    index: int,
    organisation_id: UUID,
    organisation_index: int,
    record_hash: bytes,
    sequenced_at: datetime,
) -> bytes:
    """What a leaf hashes after the 0x00: the place of a record and its hash, not the record."""
    return (
        f'{{"index":{index},"organisation":"{organisation_id}",'
        f'"organisation_index":{organisation_index},"record_hash":"0x{record_hash.hex()}",'
        f'"sequenced_at":"{timestamp(sequenced_at)}"}}'
    ).encode()


def _check_value(value: Any, depth: int) -> None:
    """Written for speed: the words of a refusal are made only when it happens."""
    kind = type(value)
    if kind is str:
        if not value.isascii() and _SURROGATE.search(value):
            _refuse("text in a record is Unicode without lone surrogates")
    elif kind is int:
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            _refuse("integers beyond 2^53 - 1 are decimal strings")
    elif value is None or kind is bool:
        return
    elif depth >= _DEPTH_MAX:
        _refuse(f"an audit record is nested at most {_DEPTH_MAX} deep")
    elif isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                _refuse("keys of a record are ASCII text")
            _check_value(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_value(item, depth + 1)
    else:
        _refuse(f"a record holds no {kind.__name__}")


def _refuse(what_must_hold: str) -> None:
    check(condition=False, what_must_hold=what_must_hold)

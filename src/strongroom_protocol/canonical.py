"""Canonical JSON (RFC 8785), read and written without a float anywhere.

What is hashed or signed as a document goes through here, in both directions: reading refuses
duplicate keys, fractions and depth, so two readers never see two documents in one text.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Never

import rfc8785

from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256

# Beyond this a JSON number is not the same number for every reader (RFC 7493).
INTEGER_MAX = 2**53 - 1
# Deeper than any document of ours; bounds the recursion of readers and writers.
DEPTH_MAX = 32
# A string, closed or running to the end: one linear pass, whatever comes in.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_ROUND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")
_PLAIN = frozenset({str, bool, type(None)})
# For what `_check_value` lets through this is RFC 8785 but for the order of keys beyond U+D7FF.
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class NotCanonical(ProtocolError):
    """The value or the text has no canonical form here."""

    code = "canonical.refused"


def canonical_bytes(value: object) -> bytes:
    """RFC 8785 bytes of dicts, lists, tuples, strings, booleans, None and integers ≤ 2^53 - 1.

    Raises NotCanonical for floats, larger integers, other types, keys that are no strings, lone
    surrogates and depth above 32.
    """
    _check_value(value, 0)
    return _written(value)


def _written(value: object) -> bytes:
    text = _ENCODER.encode(value)
    if text.isascii() or max(text) < "\ud800":
        return text.encode()
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # the value is checked
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise NotCanonical(f"the value has no canonical form: {error}") from error


def content_hash(value: object) -> bytes:
    """Keccak-256 of the canonical bytes: 32 bytes."""
    return keccak256(canonical_bytes(value))


def parse_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8; strict, but white space and key order are free.

    Raises NotCanonical: not JSON, a duplicate key, a fraction or exponent, too deep, too large.
    """
    _check_brackets(data)
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except NotCanonical:
        raise
    except ValueError as error:
        raise NotCanonical(f"the text is no JSON: {error}") from error


def parse_canonical(data: bytes) -> Any:
    """The value of a text that is already in canonical form; raises NotCanonical if it is not."""
    value = parse_json(data)
    if _written(value) != data:
        raise NotCanonical("the text is JSON but not in RFC 8785 form: serialise it canonically")
    return value


def _check_brackets(data: bytes) -> None:
    """Before Python's parser, which recurses in C and can take the process with it. Each round
    takes the innermost pairs away; brackets without a partner are the parser's to refuse.
    """
    if data.count(b"[") + data.count(b"{") <= DEPTH_MAX:
        return
    left = _STRINGS.sub(b"", data).translate(_ROUND, _NO_BRACKETS)
    for _ in range(DEPTH_MAX):
        left = left.replace(b"[]", b"")
    if b"[]" in left or len(left) > DEPTH_MAX:
        raise NotCanonical(f"the text is nested deeper than {DEPTH_MAX} levels")


def _check_value(value: object, depth: int) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise NotCanonical("an integer beyond 2^53 - 1 must be written as a decimal string")
    elif depth >= DEPTH_MAX:
        raise NotCanonical(f"the value is nested deeper than {DEPTH_MAX} levels")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotCanonical(f"object key {key!r} is no string")
            if type(item) not in _PLAIN:
                _check_value(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            if type(item) not in _PLAIN:
                _check_value(item, depth + 1)
    else:
        raise NotCanonical(f"a {type(value).__name__} has no canonical form; use str or int")


def _integer(text: str) -> int:
    number = int(text) if len(text) <= len(str(-INTEGER_MAX)) else INTEGER_MAX + 1
    if abs(number) > INTEGER_MAX:
        raise NotCanonical("an integer beyond 2^53 - 1 must be written as a decimal string")
    return number


def _without_duplicates(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotCanonical("an object names the same key twice")
    return found


def _refuse_number(text: str) -> Never:
    raise NotCanonical(f"the number {text} is no integer; amounts are decimal strings")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates,
    parse_int=_integer,
    parse_float=_refuse_number,
    parse_constant=_refuse_number,
)

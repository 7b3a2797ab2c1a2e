"""Canonical JSON (RFC 8785) as this format uses it: objects, arrays, strings, integers, booleans.

`parse` accepts bytes only when they are the canonical form of what they say: a second spelling of
the same value (spaces, escapes, key order, a duplicate key) is refused.
"""

import json
import re
from typing import Any, NoReturn

from strongroom_verify.errors import Malformed

INTEGER_MAX = 2**53 - 1  # RFC 8785 3.2.2.3: beyond, a JSON number is not exact everywhere
DEPTH_MAX = 32  # an export's documents have five levels
# A string, closed or running to the end, or a bracket: one linear pass, whatever comes in.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[][{}]', re.DOTALL)


def serialise(value: Any) -> bytes:
    """The canonical bytes of a value made of dict, list, str, int, bool and None."""
    try:
        return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":")).encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise Malformed("the value has no canonical form") from error


def _check_depth(raw: bytes) -> None:
    """Bound the depth before anything recurses: a parser in C may not survive to say so."""
    depth = 0
    for token in _BRACKETS.findall(raw):
        depth += (token in b"[{") - (token in b"]}")
        if depth > DEPTH_MAX:
            raise Malformed(f"the JSON is nested deeper than {DEPTH_MAX} levels")


def parse(raw: bytes) -> Any:
    """The value of canonical bytes. Raises Malformed for any other bytes."""
    _check_depth(raw)
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"not JSON as this format has it ({error})") from error
    if serialise(value) != raw:
        raise Malformed("the JSON is not in its canonical form (RFC 8785)")
    return value


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return {name: _ordered(value[name]) for name in names}
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > INTEGER_MAX:
        raise Malformed(f"the integer {value} is beyond 2^53 - 1")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("an object names the same key twice")
    return found


def _no_float(text: str) -> NoReturn:
    raise Malformed(f"the number {text} is not an integer")

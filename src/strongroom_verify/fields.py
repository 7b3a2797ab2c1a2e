"""Reading the fields of a parsed object strictly: exact keys, exact kinds, one spelling."""

import re
from datetime import UTC, datetime
from typing import Any

from strongroom_verify.errors import Malformed

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


class Fields:
    """One JSON object; every getter raises Malformed naming the field that is wrong."""

    def __init__(self, value: Any, keys: str, path: str = "") -> None:
        wanted = set(keys.split())
        if not isinstance(value, dict):
            raise Malformed(f"{path or 'the line'} is not an object")
        if set(value) != wanted:
            odd = sorted(set(value) ^ wanted)
            raise Malformed(f"{path or 'the line'} must have exactly {keys}; differs in {odd}")
        self._value: dict[str, Any] = value
        self._path = path + "." if path else ""

    def any(self, key: str) -> Any:
        """The value as it stands."""
        return self._value[key]

    def text(self, key: str) -> str:
        """A string."""
        value = self._value[key]
        if not isinstance(value, str):
            raise Malformed(f"{self._path}{key} is not a string")
        return value

    def integer(self, key: str) -> int:
        """An integer from zero up."""
        value = self._value[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise Malformed(f"{self._path}{key} is not an integer from zero up")
        return value

    def hex(self, key: str, size: int | None = None) -> bytes:
        """Bytes written as lower-case 0x hex, of `size` bytes when given."""
        return unhex(self._value[key], f"{self._path}{key}", size)

    def hexes(self, key: str, size: int | None = None) -> list[bytes]:
        """A list of such bytes."""
        value = self._value[key]
        if not isinstance(value, list):
            raise Malformed(f"{self._path}{key} is not a list")
        return [unhex(item, f"{self._path}{key}[{at}]", size) for at, item in enumerate(value)]

    def units(self, key: str) -> int:
        """An amount in the smallest unit, written in decimal, below 2^256."""
        value = self.text(key)
        if not _DECIMAL.fullmatch(value) or int(value) >= 2**256:
            raise Malformed(f"{self._path}{key} is not a decimal amount below 2^256")
        return int(value)

    def time(self, key: str) -> datetime:
        """A UTC time, RFC 3339 with a Z."""
        value = self.text(key)
        if not _TIME.fullmatch(value):
            raise Malformed(f"{self._path}{key} is not a UTC time like 2026-01-31T09:00:00Z")
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except ValueError as error:
            raise Malformed(f"{self._path}{key} is not a time ({error})") from error


def unhex(value: Any, path: str, size: int | None = None) -> bytes:
    """Bytes of lower-case 0x hex. Raises Malformed."""
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise Malformed(f"{path} is not lower-case 0x hex")
    raw = bytes.fromhex(value[2:])
    if size is not None and len(raw) != size:
        raise Malformed(f"{path} has {len(raw)} bytes instead of {size}")
    return raw

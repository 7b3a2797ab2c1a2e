"""PostgreSQL array literals, written by hand: the driver's own way costs 80 µs a posting.

Give them as parameters with a cast, as in `%s::text[]`. See PostgreSQL, 8.15.2 Array Value Input.
"""

from collections.abc import Iterable
from uuid import UUID


def texts(values: Iterable[str | None]) -> str:
    """A text[]; every element quoted, so that "NULL", commas and braces are themselves."""
    return (
        "{"
        + ",".join(
            "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            for value in values
        )
        + "}"
    )


def numbers(values: Iterable[int | None]) -> str:
    """An integer[], bigint[] or numeric[] of whole numbers."""
    return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"


def uuids(values: Iterable[UUID | None]) -> str:
    """A uuid[]."""
    return "{" + ",".join("NULL" if value is None else value.hex for value in values) + "}"


def octets(values: Iterable[bytes | None]) -> str:
    """A bytea[]."""
    return (
        "{"
        + ",".join("NULL" if value is None else '"\\\\x' + value.hex() + '"' for value in values)
        + "}"
    )

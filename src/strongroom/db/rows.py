"""Many rows as the parameters of one statement: `FROM unnest(…) AS r`, an array a column.

A round trip and a plan for hundreds of rows; written by hand as in `arrays`, for speed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from strongroom.db import arrays

Columns = Mapping[str, str]
"""A column's name → its PostgreSQL type."""


def _booleans(values: Iterable[bool | None]) -> str:
    return arrays.texts(None if value is None else str(value) for value in values)


_WRITTEN: Final[Mapping[str, Callable[[Iterable[Any]], str]]] = {
    "uuid": arrays.uuids,
    "text": arrays.texts,
    "bytea": arrays.octets,
    "integer": arrays.numbers,
    "bigint": arrays.numbers,
    "numeric": arrays.numbers,
    "boolean": _booleans,
}


def unnest(columns: Columns) -> str:
    """The rows as a table r with these columns, and `place`: 1, 2, …"""
    given = ", ".join(f"%s::{kind}[]" for kind in columns.values())
    return f"unnest({given}) WITH ORDINALITY AS r ({', '.join(columns)}, place)"


def names(columns: Columns) -> str:
    """The columns as r has them."""
    return ", ".join(f"r.{name}" for name in columns)


def parameters(columns: Columns, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What unnest() takes, in its order."""
    return [_WRITTEN[kind](row[name] for row in rows) for name, kind in columns.items()]

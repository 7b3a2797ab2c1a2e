"""Shapes that many routes share: strict bodies, pages, amounts, addresses and hashes as text."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, StringConstraints

Item = TypeVar("Item")
Row = TypeVar("Row")

Hash32 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]
SignatureHex = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{130}$")]
SignatureText = Annotated[str, StringConstraints(max_length=400)]
"""An approval's: which form it has, and which one counts, is said where it is counted."""
AddressText = Annotated[str, StringConstraints(max_length=64)]
"""Checked by the protocol's parse_address, which says what is wrong with it."""
AmountText = Annotated[str, StringConstraints(max_length=100)]
"""Decimal text in the asset's unit; checked by the protocol's parse_amount."""
WeiText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,40}$")]
AssetCode = Annotated[str, StringConstraints(max_length=20)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
Reference = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,140}$")]
"""A client's own reference, unique for ever within the organisation."""
AccountName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
PageSize = Annotated[int, Query(ge=1, le=200, description="How many items at most.")]
After = Annotated[UUID | None, Query(description="The `next` of the page before.")]


class Strict(BaseModel):
    """A body in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


class Page(Shown, Generic[Item]):
    """One page of a listing; `next` is null on the last."""

    items: list[Item]
    next: str | None


def page(
    rows: Sequence[Row], limit: int, show: Callable[[Row], Item], cursor: Callable[[Row], object]
) -> Page[Item]:
    """Make a page of at most `limit` from rows fetched with `limit + 1`."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(items=[show(row) for row in shown], next=str(cursor(shown[-1])) if more else None)


def hexed(value: bytes | None) -> str | None:
    """Return bytes as 0x text, lower case; None stays None."""
    return None if value is None else "0x" + value.hex()

"""How the values of a source document are written by people, and what they mean. Pure.

Amounts "1,000.00 TUSD", windows "24 hours", approvals "2 approvers of finance, then 1 approver; or
2 administrators", moments "2027-02-20" or "2027-02-20T12:00Z".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from strongroom.policy.errors import SourceInvalid, WindowWrong
from strongroom_protocol.amounts import UNITS_MAX, Amount, Asset, parse_amount

HOUR_SECONDS: Final = 3600
_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_WINDOW: Final = re.compile(r"(-?[0-9]{1,4}) (hour|day)s?")
_GROUP: Final = re.compile(
    r"([0-9]{1,3}) (approver|administrator|initiator|compliance)s?(?: of (.{1,100}))?"
)
_UNIT_SECONDS: Final[Mapping[str, int]] = {"hour": HOUR_SECONDS, "day": 24 * HOUR_SECONDS}
_ZERO: Final = re.compile(r"0(?:\.0+)?")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of an asset of the policy, or (`is_value`) of the currency of its rates."""

    amount: Amount
    is_value: bool


def read_number(text: object, asset: Asset) -> int:
    """Units of `1,000.00`, zero too. Raises AmountInvalid and its kinds, SourceInvalid."""
    if not isinstance(text, str):
        raise SourceInvalid('an amount is written as text, like "1,000.00"')
    if "," in text and not _GROUPED.fullmatch(text):
        raise SourceInvalid(f"{text[:40]!r}: commas stand before each three digits, like 1,000.00")
    plain = text.replace(",", "")
    if _ZERO.fullmatch(plain):
        return 0
    units: int = parse_amount(plain, asset).units
    return units


def read_money(text: object, assets: Mapping[str, Asset], currency: Asset | None) -> Money:
    """`1,000.00 TUSD`, `5 ETH/18`, or `250,000 USD` in the currency of the rates.

    `assets` by symbol and by code. Raises AmountInvalid and its kinds, SourceInvalid.
    """
    number, _, name = text.partition(" ") if isinstance(text, str) else ("", "", "")
    asset = assets.get(name)
    if asset is not None:
        return Money(Amount(read_number(number, asset), asset), is_value=False)
    if currency is not None and name in (currency.symbol, currency.code):
        return Money(Amount(read_number(number, currency), currency), is_value=True)
    raise SourceInvalid(
        f"{str(text)[:60]!r}: write a number and an asset of this policy, like 1,000.00 "
        f"{next(iter(assets), 'TUSD')}"
        + ("" if currency is None else f", or an amount of {currency.symbol}")
    )


def read_window(text: object) -> int:
    """Seconds of `24 hours` or `7 days`; whether the rules take them, the protocol says."""
    found = _WINDOW.fullmatch(text) if isinstance(text, str) else None
    if found is None or int(found[1]) <= 0:
        raise WindowWrong(
            f"{str(text)[:40]!r} is no window: write a positive number of hours (a multiple of "
            "three) or days, like 24 hours"
        )
    return int(found[1]) * _UNIT_SECONDS[found[2]]


def read_approvals(text: object) -> list[list[dict[str, Any]]]:
    """Paths of groups, as a bundle writes them. Raises SourceInvalid."""
    if not isinstance(text, str) or not text:
        raise SourceInvalid("say who must approve, like 2 approvers of finance")
    paths = [part.strip().removeprefix("or ") for part in text.split(";")]
    return [[_group(one) for one in path.split(",")] for path in paths]


def read_moment(text: object) -> int:
    """Unix seconds of an ISO 8601 date (its first second) or date and time, in UTC."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise SourceInvalid(f"{str(text)[:40]!r} is no date, like 2027-02-20") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def read_whole(value: object, what: str, maximum: int = UNITS_MAX) -> int:
    """A whole number above zero. Raises SourceInvalid."""
    if type(value) is not int or not 0 < value <= maximum:
        raise SourceInvalid(f"{what}: must be a whole number from 1 to {maximum}")
    return value


def _group(text: str) -> dict[str, Any]:
    words = text.strip().removeprefix("then ")
    found = _GROUP.fullmatch(words)
    if found is None or int(found[1]) == 0:
        raise SourceInvalid(
            f"{words[:60]!r} asks for nobody: write a number, a role and perhaps a department, "
            "like 2 approvers of finance; join groups by `, then` and other ways by `; or`"
        )
    return {"role": found[2], "department": found[3], "minimum": int(found[1])}

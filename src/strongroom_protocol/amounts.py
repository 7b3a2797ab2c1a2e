"""Money: whole units of one asset, never negative, never a float.

`Asset("TUSD/6")` carries its scale; text such as "12.50" is read and written only here.
"""

import re
from dataclasses import dataclass

from strongroom_protocol.errors import ProtocolError

UNITS_MAX = 2**256 - 1
# EVM tokens store decimals in one byte, but nothing beyond this has ever been worth listing.
SCALE_MAX = 36
# Assets with at most so many decimals are shown with all of them: 4,000.50 EUR.
CENTS = 2
# Longer than 2^256 - 1 with every decimal written out.
TEXT_MAX = 120

_CODE = re.compile(r"([A-Z][A-Z0-9]{0,14})/(0|[1-9][0-9]?)")
_TEXT = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")


class AmountInvalid(ProtocolError):
    """The family of what can be wrong with an amount."""

    code = "amount.invalid"


class AssetInvalid(AmountInvalid):
    """An asset code that is not SYMBOL/decimals."""

    code = "amount.asset_invalid"


class AssetsDiffer(AmountInvalid):
    """Two assets in one sum."""

    code = "amount.assets_differ"


class AmountMalformed(AmountInvalid):
    """Text that is no plain decimal number."""

    code = "amount.malformed"


class TooManyDecimals(AmountInvalid):
    """More decimals than the asset has."""

    code = "amount.too_many_decimals"


class NegativeAmount(AmountInvalid):
    """Below zero: direction is a matter of debit and credit."""

    code = "amount.negative"


class ZeroAmount(AmountInvalid):
    """Nothing to move."""

    code = "amount.zero"


class AmountTooLarge(AmountInvalid):
    """At or above 2^256 units."""

    code = "amount.too_large"


@dataclass(frozen=True, slots=True, order=True)
class Asset:
    """An asset by its code: symbol, slash, number of decimals ("ETH/18", "EUR/2")."""

    code: str

    def __post_init__(self) -> None:
        """Check: raises AssetInvalid."""
        match = _CODE.fullmatch(self.code)
        if match is None or int(match[2]) > SCALE_MAX:
            raise AssetInvalid(
                f"{self.code[:40]!r} is no asset: write SYMBOL/decimals in capitals, like ETH/18"
            )

    @property
    def symbol(self) -> str:
        """What stands before the slash."""
        return self.code.partition("/")[0]

    @property
    def scale(self) -> int:
        """Decimals: 10^scale units are one whole."""
        return int(self.code.partition("/")[2])


@dataclass(frozen=True, slots=True)
class Amount:
    """`units` of the asset's smallest unit, 0 ≤ units < 2^256."""

    units: int
    asset: Asset

    def __post_init__(self) -> None:
        """Check: raises NegativeAmount, AmountTooLarge."""
        if self.units < 0:
            raise NegativeAmount(f"{self.units} units of {self.asset.code}: cannot be below zero")
        if self.units > UNITS_MAX:
            raise AmountTooLarge(f"an amount of {self.asset.code} must stay below 2^256 units")

    def __add__(self, other: "Amount") -> "Amount":
        """Sum; raises AssetsDiffer, AmountTooLarge."""
        self._check_same(other)
        return Amount(self.units + other.units, self.asset)

    def __sub__(self, other: "Amount") -> "Amount":
        """Difference; raises AssetsDiffer, NegativeAmount."""
        self._check_same(other)
        return Amount(self.units - other.units, self.asset)

    def __str__(self) -> str:
        """`12.5 TUSD`."""
        return f"{format_amount(self)} {self.asset.symbol}"

    def _check_same(self, other: "Amount") -> None:
        if self.asset != other.asset:
            raise AssetsDiffer(f"{self.asset.code} and {other.asset.code} cannot be added up")


def parse_amount(text: object, asset: Asset) -> Amount:
    """Reads "12.50": digits, at most the asset's decimals, more than zero.

    Raises AmountMalformed, TooManyDecimals, NegativeAmount, ZeroAmount, AmountTooLarge.
    """
    if not isinstance(text, str) or len(text) > TEXT_MAX:
        raise AmountMalformed("an amount must be a short text of digits, like 12.50")
    match = _TEXT.fullmatch(text)
    if match is None:
        raise AmountMalformed(f"{text!r} is no amount: digits with one point at most, like 12.50")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if sign:
        raise NegativeAmount(f"{text} {asset.symbol}: an amount cannot be negative")
    if len(fraction) > asset.scale:
        raise TooManyDecimals(
            f"{text} has {len(fraction)} decimals, {asset.symbol} has {asset.scale}: round it first"
        )
    units = int(whole + fraction.ljust(asset.scale, "0"))
    if units == 0:
        raise ZeroAmount(f"the amount of {asset.symbol} is zero: there is nothing to move")
    return Amount(units, asset)


def format_amount(amount: Amount) -> str:
    """Plain decimal text without trailing zeros: 12.5; `parse_amount` reads it back."""
    scale = amount.asset.scale
    if scale == 0:
        return str(amount.units)
    digits = str(amount.units).rjust(scale + 1, "0")
    fraction = digits[-scale:].rstrip("0")
    return f"{digits[:-scale]}.{fraction}" if fraction else digits[:-scale]


def grouped(amount: Amount) -> str:
    """For people: thousands set apart, cents written out: 1,250,000.50."""
    scale = amount.asset.scale
    whole, point, rest = format_amount(amount).partition(".")
    if 0 < scale <= CENTS:
        point, rest = ".", rest.ljust(scale, "0")
    return f"{int(whole):,}{point}{rest}"

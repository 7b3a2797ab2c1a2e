from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.amounts import (
    UNITS_MAX,
    Amount,
    AmountMalformed,
    AmountTooLarge,
    Asset,
    AssetInvalid,
    AssetsDiffer,
    NegativeAmount,
    TooManyDecimals,
    ZeroAmount,
    format_amount,
    parse_amount,
)

TUSD, ETH, YEN = Asset("TUSD/6"), Asset("ETH/18"), Asset("JPY/0")


@given(st.integers(1, UNITS_MAX), st.sampled_from([TUSD, ETH, YEN]))
def test_every_amount_reads_back_and_means_units_over_scale(units, asset):
    amount = Amount(units, asset)
    assert parse_amount(format_amount(amount), asset) == amount
    with localcontext(prec=120):
        assert Decimal(format_amount(amount)) * 10**asset.scale == units


@pytest.mark.parametrize(
    ("text", "units"), [("12.50", 12_500_000), ("0.000001", 1), ("7", 7_000_000), ("1.0", 10**6)]
)
def test_plain_decimals_are_read(text, units):
    assert parse_amount(text, TUSD).units == units


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("0.0000001", TooManyDecimals),
        ("1.0000000", TooManyDecimals),
        ("-1", NegativeAmount),
        ("-0", NegativeAmount),
        ("0", ZeroAmount),
        ("0.000", ZeroAmount),
        (str(2**256), AmountTooLarge),
        ("9" * 120, AmountTooLarge),
        ("9" * 121, AmountMalformed),
        ("", AmountMalformed),
        ("1e6", AmountMalformed),
        ("1,5", AmountMalformed),
        ("+1", AmountMalformed),
        (".5", AmountMalformed),
        ("5.", AmountMalformed),
        ("01", AmountMalformed),
        (" 1", AmountMalformed),
        ("1\n", AmountMalformed),
        ("٣", AmountMalformed),
        ("NaN", AmountMalformed),
        (1, AmountMalformed),
        (1.5, AmountMalformed),
    ],
)
def test_wrong_amounts_get_their_own_error(text, error):
    with pytest.raises(error):
        parse_amount(text, TUSD)


def test_amounts_of_two_assets_never_add_and_never_fall_below_zero():
    with pytest.raises(AssetsDiffer):
        Amount(1, TUSD) + Amount(1, ETH)
    with pytest.raises(AssetsDiffer):
        Amount(1, TUSD) - Amount(1, ETH)
    with pytest.raises(NegativeAmount):
        Amount(1, TUSD) - Amount(2, TUSD)
    with pytest.raises(AmountTooLarge):
        Amount(UNITS_MAX, TUSD) + Amount(1, TUSD)
    assert Amount(3, TUSD) - Amount(1, TUSD) + Amount(1, TUSD) == Amount(3, TUSD)
    assert str(Amount(12_500_000, TUSD)) == "12.5 TUSD"


@pytest.mark.parametrize("code", ["", "eth/18", "ETH", "ETH/", "ETH/018", "ETH/99", "E/1/2", "/6"])
def test_malformed_assets_are_refused(code):
    with pytest.raises(AssetInvalid):
        Asset(code)

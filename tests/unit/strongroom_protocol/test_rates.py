"""What is known about the worth of a payment, and what is not believed."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom_protocol.amounts import Asset
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.rates import (
    Rates,
    RateSource,
    RateStatement,
    open_rate,
    parse_rate,
    value_units,
)

KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode() * 32) for name in "abcx"}
NOW = 1_800_000_000
PRICE = 350_000 * 10**18


def public(name):
    return KEYS[name].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


RATES = Rates(Asset("USD/2"), tuple(RateSource(one, public(one)) for one in "abc"), 600, 100)


def said(source, price=PRICE, at=NOW, asset="ETH/18", currency="USD/2"):
    return RateStatement(source, asset, currency, price, at)


def worth(*statements, units=10**18, now=NOW):
    return value_units(RATES, statements, "ETH/18", units, now)


def test_two_sources_that_agree_are_believed_and_the_higher_price_counts():
    assert worth(said("a"), said("b", PRICE + PRICE // 100)) == 353_500
    assert worth(said("a"), said("b"), units=1) == 1
    assert worth(said("a"), said("b"), units=2 * 10**18 + 1) == 700_001
    assert worth(said("a"), said("b", at=NOW - 600)) == 350_000
    assert worth(said("a"), said("a", 2 * PRICE, at=NOW - 9), said("b")) == 350_000


def test_a_cheap_token_has_a_price_too():
    shib = [RateStatement(one, "SHIB/18", "USD/2", 10**15, NOW) for one in "ab"]
    assert value_units(RATES, shib, "SHIB/18", 10**6 * 10**18, NOW) == 1_000


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [said("a")],
        [said("a"), said("a", at=NOW - 1)],
        [said("a"), said("b", at=NOW - 601)],
        [said("a"), said("b", at=NOW + 1)],
        [said("a"), said("b", PRICE + PRICE // 100 + 1)],
        [said("a"), said("b"), said("c", 2 * PRICE)],
        [said("a"), said("b", asset="BTC/8")],
    ],
)
def test_otherwise_nobody_knows(statements):
    assert worth(*statements) is None


def test_without_rates_nobody_knows():
    assert value_units(None, [said("a"), said("b")], "ETH/18", 1, NOW) is None


def signed(statement, key=None):
    signature = KEYS[key or statement.source].sign(statement.signed_bytes())
    return statement.document(), signature


def test_what_a_source_signed_is_opened():
    assert open_rate(RATES, *signed(said("a"))) == said("a")
    assert parse_rate(said("a").document()) == said("a")


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (signed(said("a"), "x"), "rate.forged"),
        ((said("a", 2 * PRICE).document(), signed(said("a"))[1]), "rate.forged"),
        ((said("a").document(), b""), "rate.forged"),
        (signed(said("x")), "rate.refused"),
        (signed(said("a", currency="EUR/2")), "rate.currency_differs"),
        (({**said("a").document(), "price": "0"}, b""), "protocol.field_invalid"),
        (({**said("a").document(), "type": "strongroom.rate/2"}, b""), "protocol.field_invalid"),
        (({**said("a").document(), "more": 1}, b""), "protocol.field_invalid"),
    ],
)
def test_what_nobody_listed_signed_is_refused(shown, code):
    with pytest.raises(ProtocolError) as caught:
        open_rate(RATES, *shown)
    assert caught.value.code == code


def test_a_policy_without_rates_believes_nobody():
    with pytest.raises(ProtocolError, match="no source of rates"):
        open_rate(None, *signed(said("a")))

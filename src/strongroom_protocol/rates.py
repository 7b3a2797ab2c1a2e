"""What a payment is worth: rates signed by sources that the bundle names, two of them at least.

One source can neither raise nor lower a value alone: two must be fresh and agree within a bound,
and then the higher price counts. Otherwise the value is unknown, which rules take for the highest.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom_protocol.amounts import Asset
from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.documents import Members, check_distinct
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.errors import FieldInvalid, ProtocolError

RATE_TYPE = "strongroom.rate/1"
# A price is for so many whole ones, so that integers do for the cheapest token: 3,500.00 USD for
# one ETH is the price 350000 * 10^18.
PRICED_WHOLES = 10**18
SOURCES_MIN = 2
SOURCES_MAX = 16
AGE_SECONDS_MAX = 7 * 86_400
BASIS_POINTS = 10_000


class RateRefused(ProtocolError):
    """A rate that none of the bundle's sources signed, or in another currency."""

    code = "rate.refused"


@dataclass(frozen=True, slots=True)
class RateSource:
    """Who may say a price; `key` is the 32 bytes of an Ed25519 public key."""

    name: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Rates:
    """Whose prices count, in which currency, for how long, how far apart they may lie (the higher
    at most so many basis points above the lower).
    """

    currency: Asset
    sources: tuple[RateSource, ...]
    age_seconds: int
    deviation_bps: int


@dataclass(frozen=True, slots=True)
class RateStatement:
    """One source's price at a time: minor units of `currency` for 10^18 whole ones of `asset`."""

    source: str
    asset: str
    currency: str
    price: int
    at: int

    def document(self) -> dict[str, Any]:
        """The JSON whose canonical bytes the source signs."""
        return {
            "type": RATE_TYPE,
            "source": self.source,
            "asset": self.asset,
            "currency": self.currency,
            "price": str(self.price),
            "at": self.at,
        }

    def signed_bytes(self) -> bytes:
        """What the source's Ed25519 key signs (RFC 8785)."""
        return canonical_bytes(self.document())


def read_rates(value: object, path: str) -> Rates:
    """Raises FieldInvalid, AssetInvalid."""
    members = Members(value, path, {"currency", "sources", "age_seconds", "deviation_bps"})
    sources = members.list("sources", _source, minimum=SOURCES_MIN, maximum=SOURCES_MAX)
    check_distinct([source.name for source in sources], f"{members.path('sources')} (name)")
    check_distinct([source.key for source in sources], f"{members.path('sources')} (key)")
    return Rates(
        currency=Asset(members.text("currency")),
        sources=sources,
        age_seconds=members.integer("age_seconds", 1, AGE_SECONDS_MAX),
        deviation_bps=members.integer("deviation_bps", 0, BASIS_POINTS),
    )


def rates_document(rates: Rates) -> dict[str, Any]:
    """What `read_rates` reads."""
    return {
        "currency": rates.currency.code,
        "sources": [{"name": one.name, "key": to_hex(one.key)} for one in rates.sources],
        "age_seconds": rates.age_seconds,
        "deviation_bps": rates.deviation_bps,
    }


def parse_rate(document: object) -> RateStatement:
    """Raises FieldInvalid, AssetInvalid; says nothing about who signed."""
    names = {"type", "source", "asset", "currency", "price", "at"}
    members = Members(document, "rate", names)
    members.constant("type", RATE_TYPE)
    price = members.units("price")
    if price == 0:
        raise members.fail("price", "must be more than zero")
    return RateStatement(
        source=members.text("source"),
        asset=Asset(members.text("asset")).code,
        currency=Asset(members.text("currency")).code,
        price=price,
        at=members.integer("at"),
    )


def open_rate(rates: Rates | None, document: object, signature: bytes) -> RateStatement:
    """A statement signed by its source, which `rates` lists. Raises RateRefused, FieldInvalid."""
    statement = parse_rate(document)
    listed = () if rates is None else rates.sources
    source = next((one for one in listed if one.name == statement.source), None)
    if source is None or rates is None:
        raise RateRefused(f"{statement.source} is no source of rates in this policy")
    if statement.currency != rates.currency.code:
        words = f"the rate is in {statement.currency}, the policy reckons in {rates.currency.code}"
        raise RateRefused(words, code="rate.currency_differs")
    try:
        _key(source.key).verify(signature, statement.signed_bytes())
    except InvalidSignature as error:
        words = f"{source.name} did not sign this rate"
        raise RateRefused(words, code="rate.forged") from error
    return statement


def value_units(
    rates: Rates | None, statements: Iterable[RateStatement], asset: str, units: int, now: int
) -> int | None:
    """What `units` of the asset are worth, in minor units of the currency, rounded up; None when
    it is not known. `statements` were opened with `open_rate`; those of other assets, too old or
    from the future, are left aside; of a source's the latest counts.
    """
    if rates is None:
        return None
    latest: dict[str, RateStatement] = {}
    for one in statements:
        fresh = 0 <= now - one.at <= rates.age_seconds
        before = latest.get(one.source)
        if fresh and one.asset == asset and (before is None or before.at < one.at):
            latest[one.source] = one
    prices = [one.price for one in latest.values()]
    if len(prices) < SOURCES_MIN:
        return None
    low, high = min(prices), max(prices)
    if (high - low) * BASIS_POINTS > rates.deviation_bps * low:
        return None
    priced_units: int = PRICED_WHOLES * 10 ** Asset(asset).scale
    return -(-units * high // priced_units)


def _source(value: object, path: str) -> RateSource:
    members = Members(value, path, {"name", "key"})
    key = members.part("key", _key_at)
    return RateSource(members.text("name"), key)


def _key_at(value: object, path: str) -> bytes:
    key = from_hex(value, 32, field=path)
    try:
        _key(key)
    except ValueError as error:
        raise FieldInvalid(f"{path}: is no Ed25519 public key") from error
    return key


@lru_cache(maxsize=256)
def _key(key: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(key)

"""What a bundle hands to machines beyond the vault: spending keys with their float, gas money,
fiat sources. Each member is optional and left out when empty, so that a bundle without them keeps
its bytes.
"""

from dataclasses import dataclass
from typing import Any, Literal

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import Asset
from strongroom_protocol.documents import Members, check_distinct, text_at

Kind = Literal["hot", "cold"]
Rail = Literal["bank_file", "card_refund", "mobile_money"]
_KINDS: dict[str, Kind] = {"hot": "hot", "cold": "cold"}
_RAILS: dict[str, Rail] = {
    "bank_file": "bank_file",
    "card_refund": "card_refund",
    "mobile_money": "mobile_money",
}
INDEX_MAX = 2**31 - 1
THRESHOLD_MAX = 100
SOURCES_MAX = 100
ANY = "any"


@dataclass(frozen=True, slots=True)
class Limit:
    """Units of one asset: at most a payment, at most in any rolling day."""

    asset: Asset
    per_payment_units: int
    per_day_units: int


@dataclass(frozen=True, slots=True)
class Spending:
    """A key that pays by itself: at `index` of the account's branch 1, on the online signer (hot)
    or on an offline machine (cold). `limits` is its float; `threshold` people approve.
    """

    index: int
    address: Address
    kind: Kind
    threshold: int
    limits: tuple[Limit, ...]

    def limit_of(self, asset: Asset) -> Limit | None:
        """The asset's float; None = this key never pays it."""
        return next((limit for limit in self.limits if limit.asset == asset), None)


@dataclass(frozen=True, slots=True)
class GasMandate:
    """The hot key that may feed relay and deposit addresses, fees included, without approvers."""

    source: Address
    per_day_wei: int


@dataclass(frozen=True, slots=True)
class FiatSource:
    """An account outside the chain. `beneficiaries` None = any, as the approvers see them."""

    source: str
    rail: Rail
    asset: Asset
    threshold: int
    per_order_units: int
    per_day_units: int
    beneficiaries: tuple[str, ...] | None


def read_limit(value: object, path: str) -> Limit:
    """Raises FieldInvalid, AssetInvalid."""
    members = Members(value, path, {"asset", "per_payment_units", "per_day_units"})
    asset = Asset(members.text("asset"))
    return Limit(asset, members.units("per_payment_units"), members.units("per_day_units"))


def limit_document(limit: Limit) -> dict[str, Any]:
    """What `read_limit` reads."""
    return {
        "asset": limit.asset.code,
        "per_payment_units": str(limit.per_payment_units),
        "per_day_units": str(limit.per_day_units),
    }


def read_spending(value: object, path: str) -> Spending:
    """Raises FieldInvalid, AddressInvalid, AssetInvalid."""
    members = Members(value, path, {"index", "address", "kind", "threshold", "limits"})
    limits = members.list("limits", read_limit, minimum=1)
    check_distinct([limit.asset for limit in limits], members.path("limits"))
    return Spending(
        index=members.integer("index", 0, INDEX_MAX),
        address=members.address("address"),
        kind=_KINDS[members.choice("kind", frozenset(_KINDS))],
        threshold=members.integer("threshold", 1, THRESHOLD_MAX),
        limits=limits,
    )


def spending_document(key: Spending) -> dict[str, Any]:
    """What `read_spending` reads."""
    return {
        "index": key.index,
        "address": checksum(key.address),
        "kind": key.kind,
        "threshold": key.threshold,
        "limits": [limit_document(limit) for limit in key.limits],
    }


def read_mandates(value: object, path: str) -> tuple[bool, GasMandate | None]:
    """May sweep; may feed gas. Raises FieldInvalid, AddressInvalid."""
    members = Members(value, path, {"sweep"}, frozenset({"gas"}))
    gas = members.part("gas", _gas) if "gas" in members else None
    return members.boolean("sweep"), gas


def mandates_document(sweep: bool, gas: GasMandate | None) -> dict[str, Any]:
    """What `read_mandates` reads."""
    if gas is None:
        return {"sweep": sweep}
    fed = {"source": checksum(gas.source), "per_day_wei": str(gas.per_day_wei)}
    return {"sweep": sweep, "gas": fed}


def read_fiat(value: object, path: str) -> FiatSource:
    """Raises FieldInvalid, AssetInvalid."""
    names = {"source", "rail", "asset", "threshold", "per_order_units", "per_day_units"}
    members = Members(value, path, names | {"beneficiaries"})
    beneficiaries = None
    if members.is_text("beneficiaries"):
        members.constant("beneficiaries", ANY)
    else:
        beneficiaries = members.list("beneficiaries", text_at, minimum=1)
        check_distinct(list(beneficiaries), members.path("beneficiaries"))
    return FiatSource(
        source=members.text("source"),
        rail=_RAILS[members.choice("rail", frozenset(_RAILS))],
        asset=Asset(members.text("asset")),
        threshold=members.integer("threshold", 1, THRESHOLD_MAX),
        per_order_units=members.units("per_order_units"),
        per_day_units=members.units("per_day_units"),
        beneficiaries=beneficiaries,
    )


def fiat_document(source: FiatSource) -> dict[str, Any]:
    """What `read_fiat` reads."""
    listed = source.beneficiaries
    return {
        "source": source.source,
        "rail": source.rail,
        "asset": source.asset.code,
        "threshold": source.threshold,
        "per_order_units": str(source.per_order_units),
        "per_day_units": str(source.per_day_units),
        "beneficiaries": ANY if listed is None else list(listed),
    }


def _gas(value: object, path: str) -> GasMandate:
    members = Members(value, path, {"source", "per_day_wei"})
    return GasMandate(members.address("source"), members.units("per_day_wei"))

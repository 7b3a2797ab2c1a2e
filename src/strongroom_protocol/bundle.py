"""A policy bundle in memory: people, vault, tokens, address book, limits, rules, mandates.

`authority.parse_bundle` is the way in, and checks; `Bundle.document` is the way out, to be hashed.
"""

from dataclasses import dataclass
from typing import Any

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import Asset
from strongroom_protocol.canonical import content_hash
from strongroom_protocol.controls import (
    AssetLimit,
    Controls,
    Vault,
    ascending,
    controls_document,
    founded,
    vault_document,
)
from strongroom_protocol.deputies import Deputy, deputy_document
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import PolicyBundle
from strongroom_protocol.mandates import (
    FiatSource,
    GasMandate,
    Limit,
    Spending,
    fiat_document,
    limit_document,
    mandates_document,
    spending_document,
)
from strongroom_protocol.rates import Rates, rates_document
from strongroom_protocol.rules import Rule, rule_document

__all__ = [
    "POLICY_TYPE",
    "Account",
    "AssetLimit",
    "Bundle",
    "Controls",
    "Destination",
    "FiatSource",
    "GasMandate",
    "Limit",
    "Person",
    "Spending",
    "Token",
    "Vault",
]

POLICY_TYPE = "strongroom.policy/1"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose signature may count. `address` may be None where no role signs."""

    id: str
    name: str
    address: Address | None
    roles: tuple[str, ...]
    department: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """The HD account: which, and what custody officers signed about it."""

    index: int
    manifest_root: bytes
    xpub_hash: bytes


@dataclass(frozen=True, slots=True)
class Token:
    """An asset and its contract on the bundle's chain; None = the native coin."""

    asset: Asset
    contract: Address | None


@dataclass(frozen=True, slots=True)
class Destination:
    """One entry of the address book: its name, its tags ascending, and whose it is, if written."""

    address: Address
    label: str
    tags: tuple[str, ...] = ()
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of an organisation's policy; `valid_until` in Unix seconds."""

    organisation: bytes
    version: int
    previous: bytes
    chain_id: int
    people: tuple[Person, ...]
    administrator_quorum: int
    account: Account
    vault: Vault
    tokens: tuple[Token, ...]
    address_book: tuple[Destination, ...]
    limits: tuple[Limit, ...]
    rules: tuple[Rule, ...]
    sweep_mandate: bool
    max_fee_per_gas_wei: int
    max_total_fee_wei: int
    valid_until: int
    spending: tuple[Spending, ...] = ()
    gas: GasMandate | None = None
    fiat: tuple[FiatSource, ...] = ()
    deputies: tuple[Deputy, ...] = ()
    rates: Rates | None = None
    controls: Controls | None = None

    @property
    def control(self) -> Controls:
        """Who governs the vault under this version; the one place to ask for owners, threshold,
        permit signer, freezers and guard.
        """
        return self.controls or founded(self.vault)

    @property
    def guard_limits(self) -> tuple[AssetLimit, ...]:
        """What the vault's guard shall let through of each asset in a rolling day."""
        return ascending(
            AssetLimit(token.contract, limit.per_day_units)
            for token, limit in zip(self.tokens, self.limits, strict=True)
        )

    def __hash__(self) -> int:
        """By name alone: the whole content would be read each time that it is looked up."""
        return hash((self.organisation, self.version, self.previous))

    def person_of(self, address: Address) -> Person | None:
        """Who signs with this address."""
        return next((person for person in self.people if person.address == address), None)

    def addresses_with(self, role: str) -> frozenset[Address]:
        """The keys of everybody with that role."""
        return frozenset(
            person.address
            for person in self.people
            if person.address is not None and role in person.roles
        )

    def token_of(self, contract: Address | None) -> Token | None:
        """The listed token with this contract; None asks for the native coin."""
        return next((token for token in self.tokens if token.contract == contract), None)

    def limit_of(self, asset: Asset) -> Limit | None:
        """The asset's limits."""
        return next((limit for limit in self.limits if limit.asset == asset), None)

    def spending_at(self, address: Address) -> Spending | None:
        """The spending key with this address."""
        return next((key for key in self.spending if key.address == address), None)

    def fiat_source(self, source: str) -> FiatSource | None:
        """The fiat source of this name."""
        return next((one for one in self.fiat if one.source == source), None)

    def document(self) -> dict[str, Any]:
        """The JSON that is hashed and signed."""
        return _bundle_document(self)

    def structure(self) -> PolicyBundle:
        """What administrators sign."""
        content = content_hash(self.document())
        return PolicyBundle(self.organisation, self.version, self.previous, content)


def _bundle_document(bundle: Bundle) -> dict[str, Any]:
    later: dict[str, Any] = {
        "spending": [spending_document(key) for key in bundle.spending],
        "fiat": [fiat_document(source) for source in bundle.fiat],
        "deputies": [deputy_document(one) for one in bundle.deputies],
        "rates": None if bundle.rates is None else rates_document(bundle.rates),
        "controls": controls_document(bundle.controls),
    }
    return {
        "type": POLICY_TYPE,
        "organisation": to_hex(bundle.organisation),
        "version": bundle.version,
        "previous": to_hex(bundle.previous),
        "chain_id": bundle.chain_id,
        "people": [_person_document(person) for person in bundle.people],
        "administrator_quorum": bundle.administrator_quorum,
        "account": {
            "index": bundle.account.index,
            "manifest_root": to_hex(bundle.account.manifest_root),
            "xpub_hash": to_hex(bundle.account.xpub_hash),
        },
        "vault": vault_document(bundle.vault),
        "tokens": [
            {"asset": token.asset.code, "contract": _address_text(token.contract)}
            for token in bundle.tokens
        ],
        "address_book": [_destination_document(entry) for entry in bundle.address_book],
        "limits": [limit_document(limit) for limit in bundle.limits],
        "rules": [rule_document(rule) for rule in bundle.rules],
        "mandates": mandates_document(bundle.sweep_mandate, bundle.gas),
        "fees": {
            "max_fee_per_gas_wei": str(bundle.max_fee_per_gas_wei),
            "max_total_fee_wei": str(bundle.max_total_fee_wei),
        },
        "valid_until": bundle.valid_until,
        **{name: entries for name, entries in later.items() if entries},
    }


def _person_document(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "address": _address_text(person.address),
        "roles": list(person.roles),
        "department": person.department,
    }


def _destination_document(entry: Destination) -> dict[str, Any]:
    document: dict[str, Any] = {"address": checksum(entry.address), "label": entry.label}
    if entry.tags:
        document["tags"] = list(entry.tags)
    if entry.owner is not None:
        document["owner"] = entry.owner
    return document


def _address_text(address: Address | None) -> str | None:
    return None if address is None else checksum(address)

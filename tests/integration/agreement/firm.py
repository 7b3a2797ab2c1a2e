"""An organisation as a script describes it: people, assets, address book, limits, rules; and what
its people sign for one payment. A script is plain JSON, so that it can be kept and played again.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.authority import parse_bundle
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.rates import RateStatement
from tests.integration.agreement.model import GuardModel, PaidBefore
from tests.integration.strongroom_signer.people import DAY, Company, Key
from tests.integration.strongroom_signer.spending import key_entry, spend

Body = dict[str, Any]
OWNERS_MAX = 4
# Where money may go: some of these are in an organisation's address book.
PLACES = tuple(Address(bytes([0x51 + n]) * 20) for n in range(6))
# The place after those: the organisation's own hot key, or a stranger's where it has none.
OWN_WALLET = len(PLACES)
# Where a spending key may pay, too.
OWN_VAULT = OWN_WALLET + 1
STRANGER = Address(b"\x66" * 20)
# Stands in a script for the address of the organisation's spending key.
HOT = checksum(Address(b"\x77" * 20))
ASSETS = ("ETH/18", "TUSD/6", "EURT/6")
CURRENCY = "USD/2"
SOURCES = tuple(
    Ed25519PrivateKey.from_private_bytes(keccak256(f"rates {n}".encode())) for n in range(3)
)


@dataclass
class Firm(Company):
    """A company of a script; `tokens` are the contracts of ASSETS, zero = native."""

    script: Body = field(default_factory=dict)
    tokens: tuple[Address, ...] = ()
    safe_nonce: int = 0
    vault: Address = ZERO

    def __post_init__(self) -> None:
        """Its people's keys, its genesis, its first bundle."""
        super().__post_init__()
        people = self.script["people"]
        self.initiators = [self.key(f"initiator {i}") for i in range(len(people["initiators"]))]
        self.approvers = [self.key(f"approver {i}") for i in range(len(people["approvers"]))]
        self.genesis["approvers"] = sorted_texts(self.approvers)
        self.bundle = self.bundle_of(self.script)
        # From when which version is in force.
        self.versions: list[tuple[int, Bundle]] = [(self.now, parse_bundle(self.bundle))]

    @property
    def parsed(self) -> Bundle:
        """The bundle in force at `now`."""
        return next(bundle for since, bundle in reversed(self.versions) if since <= self.now)

    def begin(self, vault: Address) -> None:
        """It was founded just now."""
        self.vault, self.founded_at = vault, self.now
        # When the signer first saw an address of the book; the founders' do not cool.
        self.first_seen = {entry.address: 0 for entry in self.parsed.address_book}
        # Raised limits that wait on chain: (asset, units) -> usable from.
        self.announced: dict[tuple[int, str], int] = {}
        self.permitted = PaidBefore(vault)
        self.guard = GuardModel.founded(self.parsed, self.now)
        self.jams = 0

    @property
    def owners_asked(self) -> list[Address]:
        """As many owners as the Safe asks for."""
        return [key.address for key in self.approvers[: self.parsed.vault.threshold]]

    def everybody(self) -> list[Key]:
        """All who sign the first bundle."""
        return [*self.administrators, *self.initiators, *self.approvers]

    def following(self, changes: Body) -> Body:
        """The next version's JSON."""
        kept = ("tokens", "deputies", "valid_until")
        new = self.bundle_of({**self.script, **changes}, self.bundle["vault"])
        later = {name: self.bundle[name] for name in kept if name in self.bundle}
        return self.next_bundle(
            **{
                **new,
                **later,
                "version": self.bundle["version"] + 1,
                "previous": to_hex(self.digest),
            }
        )

    def adopt(self, bundle: Body, delay: int) -> None:
        """The signer took it `now`; rules differ, so it loosens and waits."""
        self.bundle = bundle
        self.versions.append((self.now + delay, parse_bundle(bundle)))
        for entry in self.versions[-1][1].address_book:
            self.first_seen.setdefault(entry.address, self.now)

    def bundle_of(self, script: Body, vault: Body | None = None) -> Body:
        """The bundle's JSON, version 1 unless `vault` tells how it began."""
        first = self._first_bundle()
        listed = [ASSETS[i] for i in script["assets"]]
        contracts = [self.tokens[i] for i in script["assets"]]
        limits = [
            {"asset": asset, "per_payment_units": most[0], "per_day_units": most[1]}
            for asset, most in zip(listed, script["limits"], strict=True)
        ]
        rows = sorted(zip(contracts, limits, strict=True), key=lambda row: row[0])
        book = [
            {"address": checksum(PLACES[one["place"]]), "label": "x", "tags": one["tags"]}
            for one in script["book"]
        ]
        for entry in book:
            if not entry["tags"]:
                del entry["tags"]
        later = {name: script[name] for name in ("rates",) if script.get(name)}
        if script["deputies"]:
            later["deputies"] = [
                one | {"from": self.now + one["from"], "until": self.now + one["until"]}
                for one in script["deputies"]
            ]
        if script["hot"]:
            later["spending"] = [key_entry(self.hot, limits=halved(limits))]
        return {
            **first,
            "people": self._people(script["people"]),
            "vault": vault
            or {
                **first["vault"],
                "owners": sorted_texts(self.approvers),
                "threshold": script["threshold"],
                "limits": [
                    {"token": token_text(token), "day_units": limit["per_day_units"]}
                    for token, limit in rows
                ],
                "destinations": [checksum(one) for one in sorted(map_places(script["book"]))],
            },
            "tokens": [
                {"asset": asset, "contract": token_text(token)}
                for asset, token in zip(listed, contracts, strict=True)
            ],
            "address_book": book,
            "limits": limits,
            "rules": json.loads(json.dumps(script["rules"]).replace(HOT, self.hot)),
            "valid_until": self.now + 80 * DAY,
            **later,
        }

    def place(self, number: int) -> Address:
        """Where a step's payment goes."""
        if number < OWN_WALLET:
            return PLACES[number]
        if number == OWN_VAULT:
            return self.vault
        return parse_address(self.hot) if self.script["hot"] else STRANGER

    @property
    def hot(self) -> str:
        """The account's first spending key."""
        return str(self.account["spending"][0]["address"])

    def intent_of(self, step: Body, now: int) -> Withdrawal:
        """What the initiator signs."""
        return self.intent(
            parse_address(self.hot) if step["by_key"] else self.vault,
            token=self.tokens[step["asset"]],
            to=self.place(step["to"]),
            units=int(step["units"]),
            valid_until=now + DAY,
            policy_version=self.parsed.version,
        )

    def body_of(self, step: Body, intent: Withdrawal, now: int) -> Body:
        """The request for a Permit, with all evidence."""
        self.initiator = self.initiators[step["initiator"]]
        keys = [self.approvers[i] for i in step["approvers"]]
        rates = [rate(ASSETS[step["asset"]], now, *one) for one in step["rates"]]
        paid = (
            spend(self, intent, keys)
            if step["by_key"]
            else self.payment(intent, self.safe_nonce, keys)
        )
        return {
            **paid,
            "rates": [
                {
                    "document": one.document(),
                    "signature": to_hex(SOURCES[int(one.source[1:])].sign(one.signed_bytes())),
                }
                for one in rates
            ],
        }

    def _people(self, people: Body) -> list[Body]:
        kinds = (
            ("a", self.administrators, [["administrator"]] * 2, [None] * 2),
            ("i", self.initiators, [["initiator"]] * 9, people["initiators"]),
            ("p", self.approvers, [["approver"]] * 9, people["approvers"]),
        )
        return [
            {
                "id": f"{letter}{i}",
                "name": f"{letter}{i}",
                "address": checksum(key.address),
                "roles": roles[i],
                "department": departments[i],
            }
            for letter, keys, roles, departments in kinds
            for i, key in enumerate(keys)
        ]


def rate(asset: str, now: int, source: int, price: str, age: int) -> RateStatement:
    """What source number `source` said `age` seconds ago."""
    return RateStatement(f"s{source}", asset, CURRENCY, int(price), now - age)


def map_places(book: list[Body]) -> list[Address]:
    """The addresses of a script's address book."""
    return [PLACES[one["place"]] for one in book]


def halved(limits: list[Body]) -> list[Body]:
    """What a spending key may pay of the organisation's limits."""
    return [
        one | {name: str(int(one[name]) // 2 + 1) for name in one if name != "asset"}
        for one in limits
    ]


def token_text(token: Address) -> str | None:
    """A contract as bundles write it."""
    return None if token == ZERO else checksum(token)


def sorted_texts(keys: list[Key]) -> list[str]:
    """Addresses, ascending."""
    return [checksum(address) for address in sorted(key.address for key in keys)]

"""Whose word counts: the genesis of an organisation and its signed policy bundles.

Documents are canonical JSON; parsing refuses unknown members and names the path of what is wrong.
A vault keeps what it was made with (`vault`) in every version: its address follows from that, so
any bundle yields the same one. What it shall become is in `controls`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import Asset
from strongroom_protocol.bundle import (
    POLICY_TYPE,
    Account,
    Bundle,
    Destination,
    Limit,
    Person,
    Token,
    Vault,
)
from strongroom_protocol.canonical import content_hash
from strongroom_protocol.controls import DAY_UNITS_MAX, read_controls, read_vault
from strongroom_protocol.deputies import DEPUTIES_MAX, read_deputy
from strongroom_protocol.documents import Members, check_distinct, text_at
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.mandates import (
    SOURCES_MAX,
    read_fiat,
    read_limit,
    read_mandates,
    read_spending,
)
from strongroom_protocol.rates import read_rates
from strongroom_protocol.rule_checks import check_deputies, check_rules
from strongroom_protocol.rules import RULES_MAX, parse_rule

__all__ = [
    "Account",
    "Bundle",
    "Destination",
    "Genesis",
    "Limit",
    "Person",
    "Token",
    "Vault",
    "bundle_digest",
    "organisation_ref",
    "organisation_uuid",
    "parse_bundle",
    "parse_genesis",
]

T = TypeVar("T")
GENESIS_TYPE = "strongroom.genesis/1"
ROLES = frozenset({"administrator", "initiator", "approver", "compliance", "auditor", "owner"})
SIGNING_ROLES = frozenset({"administrator", "initiator", "approver"})
CHAIN_ID_MAX = 2**53 - 1
ACCOUNT_INDEX_MAX = 2**31 - 1
TAGS_MAX = 20
# Members that are left out where they say nothing.
LATER = frozenset({"spending", "fiat", "deputies", "rates", "controls"})


@dataclass(frozen=True, slots=True)
class Genesis:
    """How an organisation began; its hash is the organisation's name for ever."""

    name: str
    chain_id: int
    account_index: int
    administrators: tuple[Address, ...]
    administrator_quorum: int
    approvers: tuple[Address, ...]
    salt: bytes

    def document(self) -> dict[str, Any]:
        """The JSON that is hashed."""
        return {
            "type": GENESIS_TYPE,
            "name": self.name,
            "chain_id": self.chain_id,
            "account_index": self.account_index,
            "administrators": [checksum(one) for one in self.administrators],
            "administrator_quorum": self.administrator_quorum,
            "approvers": [checksum(one) for one in self.approvers],
            "salt": to_hex(self.salt),
        }


def parse_genesis(document: object) -> Genesis:
    """Raises FieldInvalid, AddressInvalid."""
    names = {"type", "name", "chain_id", "account_index", "administrators"}
    names |= {"administrator_quorum", "approvers", "salt"}
    members = Members(document, "genesis", names)
    members.constant("type", GENESIS_TYPE)
    administrators = members.addresses("administrators", minimum=1)
    return Genesis(
        name=members.text("name"),
        chain_id=members.integer("chain_id", 1, CHAIN_ID_MAX),
        account_index=members.integer("account_index", 0, ACCOUNT_INDEX_MAX),
        administrators=administrators,
        administrator_quorum=members.integer("administrator_quorum", 1, len(administrators)),
        approvers=members.addresses("approvers", minimum=1),
        salt=members.hash32("salt"),
    )


def organisation_ref(genesis: Genesis) -> bytes:
    """The organisation's 32 bytes in everything that is signed."""
    return content_hash(genesis.document())


def organisation_uuid(ref: bytes) -> UUID:
    """The organisation's id in the database: UUIDv8 (RFC 9562) of the reference's first bytes."""
    number = int.from_bytes(ref[:16], "big")
    number = number & ~(0xF << 76) | (0x8 << 76)
    return UUID(int=number & ~(0x3 << 62) | (0x2 << 62))


def bundle_digest(bundle: Bundle) -> bytes:
    """The 32 bytes that administrators sign, and that the next version names as previous."""
    return bundle.structure().digest(bundle.chain_id)


def parse_bundle(document: object) -> Bundle:
    """A bundle that is consistent in itself; raises FieldInvalid, AddressInvalid, AssetInvalid."""
    names = {"type", "organisation", "version", "previous", "chain_id", "people", "account"}
    names |= {"administrator_quorum", "vault", "tokens", "address_book", "limits", "rules"}
    required = names | {"mandates", "fees", "valid_until"}
    members = Members(document, "bundle", required, LATER)
    members.constant("type", POLICY_TYPE)
    people = members.list("people", _person, minimum=1)
    administrators = sum("administrator" in person.roles for person in people)
    fees = members.part("fees", _fees)
    sweep_mandate, gas = members.part("mandates", read_mandates)
    bundle = Bundle(
        organisation=members.hash32("organisation"),
        version=members.integer("version", 1),
        previous=members.hash32("previous"),
        chain_id=members.integer("chain_id", 1, CHAIN_ID_MAX),
        people=people,
        administrator_quorum=members.integer("administrator_quorum", 1, administrators),
        account=members.part("account", _account),
        vault=members.part("vault", read_vault),
        tokens=members.list("tokens", _token, minimum=1),
        address_book=members.list("address_book", _destination),
        limits=members.list("limits", read_limit),
        rules=members.list("rules", parse_rule, maximum=RULES_MAX),
        sweep_mandate=sweep_mandate,
        gas=gas,
        max_fee_per_gas_wei=fees[0],
        max_total_fee_wei=fees[1],
        valid_until=members.integer("valid_until", 1),
        spending=_listed(members, "spending", read_spending),
        fiat=_listed(members, "fiat", read_fiat),
        deputies=_listed(members, "deputies", read_deputy, DEPUTIES_MAX),
        rates=members.part("rates", read_rates) if "rates" in members else None,
        controls=members.part("controls", read_controls) if "controls" in members else None,
    )
    _check_lists(bundle)
    _check_mandates(bundle)
    check_deputies(bundle)
    check_rules(bundle)
    _check_controls(bundle)
    if bundle.version == 1:
        _check_founding(bundle)
    return bundle


def _check_lists(bundle: Bundle) -> None:
    check_distinct([person.id for person in bundle.people], "bundle.people (id)")
    keys = [person.address for person in bundle.people if person.address is not None]
    check_distinct(keys, "bundle.people (address)")
    check_distinct([token.asset for token in bundle.tokens], "bundle.tokens (asset)")
    check_distinct([token.contract for token in bundle.tokens], "bundle.tokens (contract)")
    check_distinct([entry.address for entry in bundle.address_book], "bundle.address_book")
    check_distinct([rule.id for rule in bundle.rules], "bundle.rules (id)")
    contracts = {token.contract for token in bundle.tokens}
    if any(entry.address in contracts for entry in bundle.address_book):
        raise FieldInvalid("bundle.address_book: what is paid to a token's contract is lost")
    if [limit.asset for limit in bundle.limits] != [token.asset for token in bundle.tokens]:
        raise FieldInvalid("bundle.limits: must name each asset of tokens once, in that order")


def _listed(
    members: Members, name: str, read: Callable[[Any, str], T], maximum: int = SOURCES_MAX
) -> tuple[T, ...]:
    """An optional list; an empty one has one form: it is left out."""
    return members.list(name, read, minimum=1, maximum=maximum) if name in members else ()


def _check_mandates(bundle: Bundle) -> None:
    check_distinct([key.address for key in bundle.spending], "bundle.spending (address)")
    check_distinct([(key.kind, key.index) for key in bundle.spending], "bundle.spending (index)")
    check_distinct([source.source for source in bundle.fiat], "bundle.fiat (source)")
    listed = [token.asset for token in bundle.tokens]
    taken = {person.address for person in bundle.people}
    taken |= {token.contract for token in bundle.tokens}
    approvers = len(bundle.addresses_with("approver"))
    for i, key in enumerate(bundle.spending):
        if not {limit.asset for limit in key.limits} <= set(listed):
            raise FieldInvalid(f"bundle.spending[{i}].limits: must name assets of tokens")
        if key.address in taken:
            raise FieldInvalid(f"bundle.spending[{i}].address: is a person's or a token's")
    thresholds = [key.threshold for key in bundle.spending]
    thresholds += [source.threshold for source in bundle.fiat]
    if max(thresholds, default=0) > approvers:
        raise FieldInvalid(f"bundle: a threshold is more than the {approvers} approvers")
    hot = {key.address for key in bundle.spending if key.kind == "hot"}
    if bundle.gas is not None and bundle.gas.source not in hot:
        raise FieldInvalid("bundle.mandates.gas.source: must be a hot key of spending")


def _check_controls(bundle: Bundle) -> None:
    """What the guard can keep; and that those who shall hold the vault are there to do so."""
    if any(limit.per_day_units > DAY_UNITS_MAX for limit in bundle.limits):
        raise FieldInvalid("bundle.limits: per_day_units must be below 2^128, as the guard has it")
    controls = bundle.controls
    if controls is None:
        return
    if not set(controls.owners) <= bundle.addresses_with("approver"):
        raise FieldInvalid("bundle.controls.owners: every owner must be an approver")
    if not set(controls.freezers) <= bundle.addresses_with("compliance"):
        raise FieldInvalid("bundle.controls.freezers: who freezes must have the role compliance")


def _check_founding(bundle: Bundle) -> None:
    vault = bundle.vault
    if bundle.controls is not None:
        raise FieldInvalid("bundle.controls: a vault begins as it was made; leave them out")
    if not set(vault.owners) <= bundle.addresses_with("approver"):
        raise FieldInvalid("bundle.vault.owners: every owner must be an approver among the people")
    if vault.limits != bundle.guard_limits:
        raise FieldInvalid("bundle.vault.limits: must be per_day_units of limits, for each token")
    if list(vault.destinations) != sorted(entry.address for entry in bundle.address_book):
        raise FieldInvalid("bundle.vault.destinations: must be the addresses of the address book")
    if set(vault.freezers) != bundle.addresses_with("compliance"):
        raise FieldInvalid("bundle.vault.freezers: must be the people with the role compliance")


def _person(value: object, path: str) -> Person:
    members = Members(value, path, {"id", "name", "address", "roles", "department"})
    roles = members.list("roles", _role, minimum=1, maximum=len(ROLES))
    check_distinct(list(roles), members.path("roles"))
    address = members.address_or_none("address")
    if address is None and SIGNING_ROLES & set(roles):
        raise members.fail("address", "whoever signs needs one")
    return Person(
        id=members.text("id", 64),
        name=members.text("name"),
        address=address,
        roles=roles,
        department=members.text_or_none("department"),
    )


def _role(value: object, path: str) -> str:
    role = text_at(value, path)
    if role not in ROLES:
        raise FieldInvalid(f"{path}: must be one of {', '.join(sorted(ROLES))}")
    return role


def _account(value: object, path: str) -> Account:
    members = Members(value, path, {"index", "manifest_root", "xpub_hash"})
    index = members.integer("index", 0, ACCOUNT_INDEX_MAX)
    return Account(index, members.hash32("manifest_root"), members.hash32("xpub_hash"))


def _token(value: object, path: str) -> Token:
    members = Members(value, path, {"asset", "contract"})
    return Token(Asset(members.text("asset")), members.address_or_none("contract"))


def _destination(value: object, path: str) -> Destination:
    members = Members(value, path, {"address", "label"}, frozenset({"tags", "owner"}))
    tags = _listed(members, "tags", text_at, TAGS_MAX)
    if list(tags) != sorted(set(tags)):
        raise members.fail("tags", "must be ascending, each once")
    owner = members.text("owner") if "owner" in members else None
    return Destination(members.address("address"), members.text("label"), tags, owner)


def _fees(value: object, path: str) -> tuple[int, int]:
    members = Members(value, path, {"max_fee_per_gas_wei", "max_total_fee_wei"})
    return members.units("max_fee_per_gas_wei"), members.units("max_total_fee_wei")

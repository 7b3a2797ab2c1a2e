"""From a source document (`strongroom.policy-source/1`) to the bundle that administrators sign.

Pure. People write ids, names and amounts; the signed bundle has keys, addresses and units. What the
vault was made with is repeated from the active version; what it shall become follows from `vault`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from strongroom.policy.context import Compiled, Context
from strongroom.policy.errors import SourceInvalid
from strongroom.policy.findings import Findings
from strongroom.policy.groups import Names
from strongroom.policy.reading import read_moment, read_number
from strongroom.policy.source_rules import RuleReader
from strongroom.policy.sources import blanks
from strongroom.policy.validation import check_names
from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.amounts import Asset
from strongroom_protocol.authority import parse_bundle
from strongroom_protocol.bundle import POLICY_TYPE
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256

SOURCE_TYPE: Final = "strongroom.policy-source/1"
AGREED: Final = "agreed"
"""In place of an address book: what the organisation's own says."""
GWEI: Final = Asset("GWEI/9")
NATIVE: Final = Asset("WEI/18")
_REQUIRED: Final = frozenset(
    {"type", "people", "administrator_quorum", "vault", "assets", "address_book", "rules"}
    | {"fees", "valid_until"}
)
_OPTIONAL: Final = frozenset(
    {"groups", "deputies", "rates", "sweep", "gas", "spending", "fiat", "note"}
)


def compile_source(source: object, context: Context) -> Compiled:
    """The bundle of this document, or what is wrong with it; never raises for a wrong one."""
    findings = Findings()
    if not isinstance(source, Mapping) or source.get("type") != SOURCE_TYPE:
        findings.error(
            "source_invalid", "source.type", f"A source document has type {SOURCE_TYPE}."
        )
        return Compiled({}, None, tuple(findings.found))
    unknown, missing = set(source) - _REQUIRED - _OPTIONAL, _REQUIRED - set(source)
    for name in sorted(map(str, unknown)):
        findings.error("source_invalid", f"source.{name}", f"There is no member {name!r}.")
    for name in sorted(missing):
        findings.error("source_invalid", f"source.{name}", "This member is missing.")
    for path, text in blanks(source):
        findings.error("blank", path, f"{text}.")
    if findings.stand_in_the_way:
        return Compiled(source, None, tuple(findings.found))
    filled = {**source, "address_book": _book(source, context, findings)}
    content = _Compiler(filled, context, findings).content()
    if not findings.stand_in_the_way:
        check_names(content, context.own, findings)
    bundle = None
    if not findings.stand_in_the_way:
        try:
            bundle = parse_bundle(content)
        except ProtocolError as error:
            findings.refused(error, str(error).partition(":")[0])
    return Compiled(filled, bundle, tuple(findings.found))


def _book(source: Mapping[str, Any], context: Context, findings: Findings) -> list[Any]:
    book = source["address_book"]
    if book == AGREED:
        if context.book is None:
            findings.warning(
                "book_untold",
                "address_book",
                "The organisation's address book is not known here; rules that name its entries "
                "are checked by the service.",
            )
        return [dict(entry) for entry in context.book or ()]
    return list(book) if isinstance(book, list) else []


class _Compiler:
    """One document's way to its content; each member is read on its own, so all errors show."""

    def __init__(self, source: Mapping[str, Any], context: Context, findings: Findings) -> None:
        self._source, self._context, self._findings = source, context, findings
        self._assets = self._by_name()
        self._book = self._each("address_book", self._entry)

    def content(self) -> dict[str, Any]:
        """The bundle's document, as far as it could be read."""
        source, context = self._source, self._context
        content: dict[str, Any] = {
            "type": POLICY_TYPE,
            "organisation": to_hex(context.organisation),
            "version": context.version,
            "previous": to_hex(context.previous),
            "chain_id": context.chain_id,
            "people": self._each("people", self._person),
            "administrator_quorum": source["administrator_quorum"],
            "account": dict(context.account),
            "tokens": self._each("assets", self._token),
            "address_book": self._book,
            "limits": self._each("assets", self._limit),
            "rules": self._rules(),
            "mandates": {"sweep": source.get("sweep", True)},
            "fees": self._part("fees", self._fees),
            "valid_until": self._part("valid_until", read_moment),
        }
        content["vault"] = self._part("vault", lambda vault: self._vault(vault, content))
        controls = self._part("vault", self._controls)
        later = {
            "controls": controls,
            "spending": self._each("spending", self._spending),
            "fiat": self._each("fiat", self._fiat),
            "deputies": self._each("deputies", self._deputy),
            "rates": source.get("rates"),
        }
        if source.get("gas") is not None:
            content["mandates"]["gas"] = self._part("gas", self._gas)
        return content | {name: value for name, value in later.items() if value}

    # --- members --------------------------------------------------------------------------------

    def _person(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": item["id"],
            "name": item.get("name", item["id"]),
            "address": _checked(item.get("address")),
            "roles": item["roles"],
            "department": item.get("department"),
        }

    def _token(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"asset": item["asset"], "contract": _checked(item["contract"])}

    def _limit(self, item: Mapping[str, Any]) -> dict[str, Any]:
        asset = Asset(item["asset"])
        return {
            "asset": asset.code,
            "per_payment_units": str(read_number(item["per_payment"], asset)),
            "per_day_units": str(read_number(item["per_day"], asset)),
        }

    def _entry(self, item: Mapping[str, Any]) -> dict[str, Any]:
        entry: dict[str, Any] = {"address": _checked(item["address"]), "label": item["name"]}
        if item.get("tags"):
            entry["tags"] = sorted(set(item["tags"]))
        if item.get("owner"):
            entry["owner"] = item["owner"]
        return entry

    def _rules(self) -> list[dict[str, Any]]:
        entries = {entry["label"]: parse_address(entry["address"]) for entry in self._book}
        if len(entries) != len(self._book):
            self._findings.error(
                "name_taken", "address_book", "Two entries have one name; rules could mean either."
            )
        groups = self._source.get("groups", {})
        names = Names(entries, groups if isinstance(groups, Mapping) else {}, self._findings)
        reader = RuleReader(self._assets, self._currency(), names)
        found: list[dict[str, Any]] = []
        for rules in self._each("rules", reader.rules, told=True):
            found += rules
        return found

    def _vault(self, item: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
        """What the vault was made with: repeated; at first, what the document says."""
        active = self._context.active
        if active is not None:
            repeated: dict[str, Any] = active.document()["vault"]
            return repeated
        days = {one["asset"]: one["per_day_units"] for one in content["limits"]}
        limits = [
            {"token": token["contract"], "day_units": days.get(token["asset"])}
            for token in content["tokens"]
        ]
        salt = keccak256(b"strongroom.vault" + self._context.organisation)
        return {
            "salt": item.get("salt", to_hex(salt)),
            "owners": self._keys(item["owners"], "vault.owners"),
            "threshold": item["threshold"],
            "permit_signer": checksum(self._context.permit_signer),
            "limits": sorted(limits, key=lambda one: _sorting(one["token"])),
            "destinations": sorted((one["address"] for one in self._book), key=_sorting),
            "freezers": self._freezers(),
        }

    def _controls(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the vault shall become, where that is not what it was made with."""
        active = self._context.active
        if active is None:
            return None
        now = active.control
        owners = [parse_address(one) for one in self._keys(item["owners"], "vault.owners")]
        freezers = [parse_address(one) for one in self._freezers()]
        guard = _address(item.get("guard")) or now.guard or self._context.guard
        signer = _address(item.get("permit_signer")) or now.permit_signer
        wanted = (tuple(owners), item["threshold"], signer, tuple(freezers))
        made = active.vault
        if item.get("guard") is None and now.guard is None:
            same = (made.owners, made.threshold, made.permit_signer, made.freezers) == wanted
            if same:
                return None
        if guard is None:
            self._findings.error(
                "guard_untold",
                "vault.guard",
                "The vault's people or its keys change: name the guard that it shall have.",
            )
            return None
        return {
            "owners": [checksum(one) for one in owners],
            "threshold": item["threshold"],
            "guard": checksum(guard),
            "permit_signer": checksum(signer),
            "freezers": [checksum(one) for one in freezers],
        }

    def _spending(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "index": item["index"],
            "address": _checked(item["address"]),
            "kind": item["kind"],
            "threshold": item["threshold"],
            "limits": [self._limit(one) for one in item["limits"]],
        }

    def _fiat(self, item: Mapping[str, Any]) -> dict[str, Any]:
        asset = Asset(item["asset"])
        return {
            "source": item["source"],
            "rail": item["rail"],
            "asset": asset.code,
            "threshold": item["threshold"],
            "per_order_units": str(read_number(item["per_order"], asset)),
            "per_day_units": str(read_number(item["per_day"], asset)),
            "beneficiaries": item["beneficiaries"],
        }

    def _deputy(self, item: Mapping[str, Any]) -> dict[str, Any]:
        begins, ends = read_moment(item["from"]), read_moment(item["until"])
        return {"person": item["person"], "deputy": item["deputy"], "from": begins, "until": ends}

    def _fees(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "max_fee_per_gas_wei": str(read_number(item["max_fee_per_gas_gwei"], GWEI)),
            "max_total_fee_wei": str(read_number(item["max_total_fee"], NATIVE)),
        }

    def _gas(self, item: Mapping[str, Any]) -> dict[str, Any]:
        source = _checked(item["source"])
        return {"source": source, "per_day_wei": str(read_number(item["per_day"], NATIVE))}

    # --- names ----------------------------------------------------------------------------------

    def _by_name(self) -> dict[str, Asset]:
        """Assets by symbol and by code; the currency of rates too."""
        found: dict[str, Asset] = {}
        for asset in self._each("assets", lambda item: Asset(item["asset"]), quiet=True):
            found[asset.symbol] = found[asset.code] = asset
        return found

    def _currency(self) -> Asset | None:
        rates = self._source.get("rates")
        if not isinstance(rates, Mapping):
            return None
        try:
            currency = Asset(str(rates.get("currency")))
        except ProtocolError as error:
            self._findings.refused(error, "rates.currency")
            return None
        if currency.symbol in self._assets:
            self._findings.error(
                "currency_taken",
                "rates.currency",
                f"{currency.symbol} is an asset of this policy too: amounts would be ambiguous.",
            )
        return currency

    def _keys(self, ids: Sequence[str], path: str) -> list[str]:
        """The keys of people, ascending."""
        people = {
            one.get("id"): one.get("address")
            for one in self._source["people"]
            if isinstance(one, Mapping)
        }
        found = []
        for one in ids:
            if one not in people:
                self._findings.error("person_unknown", path, f"There is no person {one!r}.")
            elif people[one] is None:
                self._findings.error(
                    "key_missing", path, f"{one} has no key to hold the vault with."
                )
            else:
                found.append(str(_checked(people[one])))
        return sorted(found, key=_sorting)

    def _freezers(self) -> list[str]:
        listed = [
            str(_checked(one["address"]))
            for one in self._source["people"]
            if "compliance" in one.get("roles", ()) and one.get("address") is not None
        ]
        return sorted(listed, key=_sorting)

    # --- reading --------------------------------------------------------------------------------

    def _each(
        self,
        name: str,
        read: Callable[..., Any],
        *,
        quiet: bool = False,
        told: bool = False,
    ) -> list[Any]:
        """Every item that reads; the others become findings with their path."""
        items = self._source.get(name, [])
        if not isinstance(items, list):
            self._findings.error("source_invalid", name, "This member is a list.")
            return []
        found = []
        for i, item in enumerate(items):
            path = f"{name}[{i}]"
            read_item = (lambda one, path=path: read(one, path)) if told else read
            value = self._read(item, path, read_item, quiet=quiet)
            if value is not None:
                found.append(value)
        return found

    def _part(self, name: str, read: Callable[[Any], Any]) -> Any:
        return self._read(self._source[name], name, read)

    def _read(
        self, item: object, path: str, read: Callable[[Any], Any], *, quiet: bool = False
    ) -> Any:
        findings = Findings() if quiet else self._findings
        try:
            return read(item)
        except SourceInvalid as error:
            findings.error(error.code.partition(".")[2], path, f"{error}.")
        except ProtocolError as error:
            findings.refused(error, path)
        except KeyError as error:
            findings.error("source_invalid", path, f"The member {error} is missing.")
        except (TypeError, AttributeError, ValueError):
            findings.error("source_invalid", path, "This does not have the documented shape.")
        return None


def _address(value: object) -> Address | None:
    return None if value is None else parse_address(value)


def _checked(value: object) -> str | None:
    """An address with its checksum; None stays None."""
    return None if value is None else checksum(parse_address(value))


def _sorting(address: str | None) -> bytes:
    return ZERO if address is None else bytes(parse_address(address))

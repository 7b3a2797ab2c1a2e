"""Rules as people write them → rules as a bundle has them. Pure.

`{"id", "when"?: {initiators, departments, sources, to, tags, assets, above, at_most, over, hours,
screening}, "then": "deny" | "allow" | approvals}`, or in place of `then` the steps `tiers`:
`[{"up_to": amount, "then": …}, …, {"then": …}]`, each of which becomes a rule of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from strongroom.policy.errors import SourceInvalid
from strongroom.policy.groups import Names
from strongroom.policy.reading import Money, read_approvals, read_money, read_whole, read_window
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.amounts import Asset
from strongroom_protocol.rules import ADDRESS_BOOK, OWN_WALLETS, VAULT

_RULE: Final = frozenset({"id", "when", "then", "tiers", "note"})
_WHEN: Final = frozenset(
    {"initiators", "departments", "sources", "to", "tags", "assets", "above", "at_most", "over"}
    | {"hours", "screening"}
)
_OVER: Final = frozenset({"window", "per", "above", "count_above"})
_AS_THEY_ARE: Final = ("initiators", "departments", "tags", "screening")


class RuleReader:
    """Reads the rules of one document."""

    def __init__(self, assets: Mapping[str, Asset], currency: Asset | None, names: Names) -> None:
        """`assets` by symbol and code; `currency` of the rates, if there are any."""
        self._assets, self._currency, self._names = assets, currency, names

    def rules(self, item: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
        """One rule, or one for each tier. Raises SourceInvalid, ProtocolError, KeyError."""
        _known(item, _RULE, "a rule")
        if ("then" in item) == ("tiers" in item):
            raise SourceInvalid("a rule has either `then` or `tiers`")
        when = self._when(item.get("when", {}), path)
        if "then" in item:
            return [_outcome(item["id"], when, item["then"])]
        return self._tiers(item["id"], when, item["tiers"])

    def _tiers(
        self, identifier: str, when: dict[str, Any], tiers: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Each tier reaches from the one before it up to its own bound; the last has none."""
        if not tiers or any("up_to" not in tier for tier in tiers[:-1]):
            raise SourceInvalid("tiers: each but the last says `up_to` which amount it reaches")
        found, below = [], None
        for i, tier in enumerate(tiers, 1):
            _known(tier, frozenset({"up_to", "then"}), "a tier")
            reach = self._money(tier["up_to"]) if "up_to" in tier else None
            if below is not None and reach is not None:
                if below.amount.asset != reach.amount.asset:
                    raise SourceInvalid("tiers: all amounts are of one asset, or all are values")
                if below.amount.units >= reach.amount.units:
                    raise SourceInvalid("tiers: each reaches further than the one before it")
            bounds = self._bounds(below, "above") | self._bounds(reach, "at_most")
            assets = self._same_asset(when, [one for one in (below, reach) if one is not None])
            found.append(_outcome(f"{identifier}/{i}", when | bounds | assets, tier["then"]))
            below = reach
        return found

    def _when(self, when: Mapping[str, Any], path: str) -> dict[str, Any]:
        _known(when, _WHEN, "when")
        found: dict[str, Any] = {name: when[name] for name in _AS_THEY_ARE if name in when}
        if "sources" in when:
            found["sources"] = [_source(one) for one in when["sources"]]
        if "assets" in when:
            found["assets"] = [self._asset(one) for one in when["assets"]]
        if "to" in when:
            found["destinations"] = self._destinations(when["to"], f"{path}.when.to")
        if "hours" in when:
            found["hours"] = {"outside": False, **when["hours"]}
        above = self._money(when["above"]) if "above" in when else None
        at_most = self._money(when["at_most"]) if "at_most" in when else None
        amounts = [one for one in (above, at_most) if one is not None]
        found |= self._bounds(above, "above") | self._bounds(at_most, "at_most")
        if "over" in when:
            found["over"] = [self._over(one, amounts) for one in when["over"]]
        return found | self._same_asset(found, amounts)

    def _over(self, item: Mapping[str, Any], amounts: list[Money]) -> dict[str, Any]:
        _known(item, _OVER, "over")
        over: dict[str, Any] = {"window_seconds": read_window(item["window"]), "per": item["per"]}
        if "count_above" in item:
            over["count_above"] = read_whole(item["count_above"], "count_above")
        if "above" in item:
            money = self._money(item["above"])
            amounts.append(money)
            over |= self._bounds(money, "above")
        return over

    def _destinations(self, named: object, path: str) -> object:
        if isinstance(named, str) and named in (ADDRESS_BOOK, OWN_WALLETS):
            return named
        if not isinstance(named, list) or not named:
            raise SourceInvalid(
                f"to: {ADDRESS_BOOK}, {OWN_WALLETS}, or a list of entries, @groups and addresses"
            )
        return [checksum(one) for one in self._names.addresses(named, path)]

    def _asset(self, name: object) -> str:
        asset = self._assets.get(str(name))
        if asset is None:
            raise SourceInvalid(f"assets: {name!r} is no asset of this policy")
        return asset.code

    def _money(self, text: object) -> Money:
        return read_money(text, self._assets, self._currency)

    def _bounds(self, money: Money | None, name: str) -> dict[str, Any]:
        if money is None:
            return {}
        kind = "value" if money.is_value else "units"
        return {f"{kind}_{name}": str(money.amount.units)}

    def _same_asset(self, when: Mapping[str, Any], amounts: Sequence[Money]) -> dict[str, Any]:
        """Units are of the rule's one asset: named by the amounts, if not by the rule."""
        assets = {money.amount.asset.code for money in amounts if not money.is_value}
        if not assets:
            return {}
        listed = when.get("assets", sorted(assets))
        if sorted(assets) != listed:
            raise SourceInvalid(
                f"amounts are of {', '.join(sorted(assets))}, the rule's assets are "
                f"{', '.join(listed)}: a rule with amounts is about that one asset"
            )
        return {"assets": listed}


def _outcome(identifier: str, when: Mapping[str, Any], then: object) -> dict[str, Any]:
    if then in ("deny", "allow"):
        return {"id": identifier, "verdict": then, "when": dict(when)}
    approvals = read_approvals(then)
    return {"id": identifier, "verdict": "approvals", "when": dict(when), "approvals": approvals}


def _source(one: object) -> object:
    return VAULT if one == VAULT else checksum(parse_address(one))


def _known(item: object, names: frozenset[str], what: str) -> None:
    if not isinstance(item, Mapping):
        raise SourceInvalid(f"{what} is an object")
    unknown = sorted(set(map(str, item)) - names)
    if unknown:
        raise SourceInvalid(f"{what} has no member {', '.join(unknown)}")

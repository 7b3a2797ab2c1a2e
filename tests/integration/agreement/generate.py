"""Scripts from a seed: organisations with policies of their own, and payments that look for edges:
exactly what a limit leaves, one unit more, the second before a bucket ends, the second after.
"""

from random import Random
from typing import Any

from strongroom_protocol.addresses import checksum
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.rates import PRICED_WHOLES
from strongroom_protocol.rules import Rule, parse_rule
from tests.integration.agreement.firm import (
    ASSETS,
    CURRENCY,
    HOT,
    OWN_VAULT,
    OWN_WALLET,
    PLACES,
    SOURCES,
    Firm,
)
from tests.integration.agreement.model import DAY_BUCKETS, THREE_HOURS

Body = dict[str, Any]
DEPARTMENTS = ("finance", "trading", None)
TAGS = ("payroll", "supplier", "exchange")
# Minor units of the currency for one whole one.
WORTH = (350_000, 100, 108)
SCALES = tuple(int(asset.partition("/")[2]) for asset in ASSETS)
RULES_MAX = 9
DAY = 86_400


def script_of(rng: Random, before: Body | None = None) -> Body:
    """One organisation, or what is new in its next version (book, limits, rules). Rules that the
    language refuses are left out by `usable`.
    """
    if before is not None:
        return _with_rules(rng, before | _book_and_limits(rng, before["assets"]))
    assets = sorted(rng.sample(range(len(ASSETS)), rng.choice((2, 3, 3))))
    approvers = [rng.choice(DEPARTMENTS) for _ in range(rng.choice((2, 3, 4)))]
    script: Body = {
        "people": {
            "initiators": [rng.choice(DEPARTMENTS) for _ in range(2)],
            "approvers": approvers,
        },
        "threshold": rng.randint(1, min(3, len(approvers))),
        "assets": assets,
        **_book_and_limits(rng, assets),
        "deputies": _deputies(rng, len(approvers)),
        "hot": rng.random() < 0.4,
        "rates": _rates() if rng.random() < 0.7 else None,
    }
    return _with_rules(rng, script)


def _book_and_limits(rng: Random, assets: list[int]) -> Body:
    book = [
        {"place": place, "tags": sorted(rng.sample(TAGS, rng.choice((0, 0, 1, 2))))}
        for place in sorted(rng.sample(range(len(PLACES)), rng.randint(2, 5)))
    ]
    return {"book": book, "limits": [_limits(rng, asset) for asset in assets]}


def _with_rules(rng: Random, script: Body) -> Body:
    script["rules"] = [
        rule
        for i in range(rng.randint(1, RULES_MAX))
        if (rule := usable(rng, script, f"r{i}")) is not None
    ]
    if rng.random() < 0.8:
        script["rules"].append({"id": "open", "verdict": "allow", "when": {}})
    return script


def usable(rng: Random, script: Body, name: str) -> Body | None:
    """A rule that stands in this organisation's bundle."""
    rule = _rule(rng, script, name)
    try:
        parse_rule(rule, "rule")
    except ProtocolError:
        return None
    return rule


def moved_on(rng: Random, now: int) -> int:
    """The time of the next round: often just beside the edge of a bucket."""
    kind = rng.random()
    if kind < 0.35:
        return now + rng.randint(1, 900)
    edge = (now // THREE_HOURS + 1) * THREE_HOURS
    if kind < 0.65:
        return max(now + 1, edge + rng.choice((-1, 0, 1)))
    if kind < 0.9:
        buckets = rng.choice((1, 2, 3, DAY_BUCKETS - 1, DAY_BUCKETS, DAY_BUCKETS + 1))
        return max(now + 1, edge + buckets * THREE_HOURS + rng.choice((-1, 0, 1)))
    if kind < 0.98:
        return now + rng.randint(1, 2 * DAY)
    return now + rng.randint(1, 5 * DAY)


def step_of(rng: Random, firm: Firm, now: int) -> Body:
    """The next payment of this organisation."""
    script = firm.script
    asset = rng.choice(script["assets"]) if rng.random() < 0.97 else rng.randrange(len(ASSETS))
    listed = [PLACES.index(one.address) for one in firm.parsed.address_book]
    by_key = bool(script["hot"]) and rng.random() < 0.3
    to = rng.choice(listed) if rng.random() < 0.9 else rng.randrange(OWN_WALLET + 1)
    if by_key and to == OWN_WALLET:
        to = OWN_VAULT
    approvers = list(range(len(firm.approvers)))
    few = rng.random() < 0.25
    return {
        "by_key": by_key,
        "initiator": rng.randrange(len(firm.initiators)),
        "asset": asset,
        "to": to,
        "units": str(max(1, _units(rng, firm, asset, now, by_key))),
        "approvers": sorted(
            rng.sample(approvers, rng.randint(0, len(approvers)) if few else len(approvers))
        ),
        "rates": _shown(rng, asset) if script["rates"] else [],
        "dry": rng.random() < 0.5,
        "forged": rng.random() < 0.1 and not by_key,
    }


def _units(rng: Random, firm: Firm, asset: int, now: int, by_key: bool) -> int:
    """Most are small, so that many are permitted; the rest lie at a bound or one beside it."""
    bundle = firm.parsed
    limits = bundle.spending[0].limits if by_key else bundle.limits
    limit = next((one for one in limits if one.asset.code == ASSETS[asset]), None)
    day = limit.per_day_units if limit else 10**6
    if rng.random() < 0.45:
        return rng.randint(1, max(1, day // (3 if by_key else 12)))
    wallet = bundle.spending[0].address if by_key else None
    left = day - firm.permitted.day_units(ASSETS[asset], now, wallet)
    bounds = [left, left, limit.per_payment_units if limit else day]
    bounds += [bound for rule in bundle.rules for bound in _bounds(rule, asset)]
    return rng.choice(bounds) + rng.choice((-1, 0, 0, 1))


def _bounds(rule: Rule, asset: int) -> list[int]:
    when = rule.when
    units = [when.units_above, when.units_at_most, *(one.units_above for one in when.over)]
    worth = [when.value_above, when.value_at_most, *(one.value_above for one in when.over)]
    found = [one for one in units if one is not None and ASSETS[asset] in (when.assets or ())]
    scale = 10 ** SCALES[asset]
    return found + [one * scale // WORTH[asset] for one in worth if one is not None]


def _shown(rng: Random, asset: int) -> list[list[Any]]:
    """What sources said: mostly two that agree, else too few, too old, or too far apart."""
    price = WORTH[asset] * PRICED_WHOLES
    kind = rng.random()
    if kind < 0.1:
        return []
    if kind < 0.15:
        return [[0, str(price), 0]]
    if kind < 0.2:
        return [[0, str(price), 0], [1, str(price), 3601]]
    if kind < 0.25:
        return [[0, str(price), 0], [1, str(price * 103 // 100), 10]]
    return [[0, str(price), rng.choice((0, 3600))], [2, str(price * 101 // 100), 60]]


def _limits(rng: Random, asset: int) -> list[str]:
    whole = 10 ** SCALES[asset]
    day = rng.choice((5, 40, 1000)) * whole + rng.randint(0, 9)
    return [str(day // rng.choice((1, 2, 5))), str(day)]


def _rates() -> Body:
    keys = [key.public_key().public_bytes_raw() for key in SOURCES]
    return {
        "currency": CURRENCY,
        "sources": [{"name": f"s{i}", "key": "0x" + key.hex()} for i, key in enumerate(keys)],
        "age_seconds": 3600,
        "deviation_bps": 200,
    }


def _deputies(rng: Random, approvers: int) -> list[Body]:
    if rng.random() < 0.7:
        return []
    begins = rng.randint(0, 10 * DAY)
    absent, stands = rng.sample(range(approvers), 2)
    dated = {"from": begins, "until": begins + rng.randint(1, 10 * DAY)}
    return [{"person": f"p{absent}", "deputy": f"p{stands}", **dated}]


def _rule(rng: Random, script: Body, name: str) -> Body:
    verdict = rng.choice(("deny", "allow", "allow", "approvals", "approvals"))
    when = _when(rng, script)
    rule: Body = {"id": name, "verdict": verdict, "when": when}
    if verdict == "approvals":
        paths = [_path(rng, script) for _ in range(rng.choice((1, 1, 2)))]
        rule["approvals"] = paths
    return rule


def _path(rng: Random, script: Body) -> list[Body]:
    """Groups that the organisation's own people can fill."""
    people = list(script["people"]["approvers"])
    rng.shuffle(people)
    groups: list[Body] = []
    while people and len(groups) < 2:
        department = rng.choice((people.pop(), None))
        groups.append({"role": "approver", "department": department, "minimum": 1})
        if rng.random() < 0.6:
            break
    return groups


def _when(rng: Random, script: Body) -> Body:
    """Each condition now and then; those of amounts apart."""
    asset = rng.choice(script["assets"])
    listed = [checksum(PLACES[one["place"]]) for one in script["book"]]
    departments = [one for one in script["people"]["initiators"] if one]
    tags = sorted({tag for one in script["book"] for tag in one["tags"]})
    some = [rng.choice(listed)]
    possible: list[tuple[float, str, Any]] = [
        (0.2, "initiators", [f"i{rng.randrange(2)}"]),
        (0.2, "departments", departments[:1]),
        (0.1, "sources", rng.choice((["vault"], [HOT], ["vault", HOT])) if script["hot"] else None),
        (0.35, "destinations", rng.choice(("address_book", "own_wallets", some, some))),
        (0.3, "tags", rng.sample(tags, 1) if tags else None),
        (0.15, "hours", _hours(rng)),
        (0.15, "screening", rng.choice((["clear"], ["clear", "review"], ["review", "unknown"]))),
    ]
    when = {name: value for share, name, value in possible if value and rng.random() < share}
    return when | _amounts(rng, script, asset)


def _amounts(rng: Random, script: Body, asset: int) -> Body:
    whole = 10 ** SCALES[asset]
    found: Body = {}
    if rng.random() < 0.5:
        found["assets"] = [ASSETS[asset]]
        if rng.random() < 0.6:
            found["units_above"] = str(rng.choice((0, 1, 3, 10, 100)) * whole)
        elif rng.random() < 0.3:
            found["units_at_most"] = str(rng.choice((1, 4, 20)) * whole)
    if script["rates"] and rng.random() < 0.25:
        bound = str(rng.choice((100, 5_000, 400_000)))
        found[rng.choice(("value_above", "value_at_most"))] = bound
    if rng.random() < 0.35:
        found["over"] = [_over(rng, script, "assets" in found, whole)]
    return found


def _over(rng: Random, script: Body, one_asset: bool, whole: int) -> Body:
    per = rng.choice(("organisation", "initiator", "source", "destination"))
    buckets = rng.choice((1, 2, 8, 8, 24, 8 * 7, 8 * 31))
    over: Body = {"window_seconds": buckets * THREE_HOURS, "per": per}
    kinds = ["count"] + ["units"] * 2 * one_asset + ["value"] * bool(script["rates"])
    kind = rng.choice(kinds)
    if kind == "count":
        return over | {"count_above": rng.choice((1, 2, 5))}
    if kind == "units":
        return over | {"units_above": str(rng.choice((2, 10, 60)) * whole)}
    return over | {"value_above": str(rng.choice((1_000, 20_000, 1_000_000)))}


def _hours(rng: Random) -> Body:
    return {
        "zone": rng.choice(("UTC", "Europe/Berlin", "America/New_York")),
        "days": ["mon", "tue", "wed", "thu", "fri"],
        "from": rng.choice(("08:00", "09:30")),
        "until": rng.choice(("17:00", "24:00")),
        "outside": rng.random() < 0.5,
    }

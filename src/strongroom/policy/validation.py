"""Everything that is wrong with a compiled draft before anybody signs it. Pure.

`check_names` looks at the content before the protocol's own reader does, so that what it would
refuse in general terms has a code of its own; `check_bundle` looks at what reads well.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from strongroom.policy.deadlock import deadlocks
from strongroom.policy.findings import Finding, Findings
from strongroom.policy.powers import Power, powers
from strongroom.policy.probes import Probes, probes_of
from strongroom.policy.words import grouped, rule_words
from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.amounts import Amount, Asset
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.controls import DAY_UNITS_MAX
from strongroom_protocol.policy import evaluate
from strongroom_protocol.rulebook import rulebook
from strongroom_protocol.rules import Rule

_NAMED: Final = ("initiators", "departments", "tags")


def check_names(content: Mapping[str, Any], own: Iterable[Address], findings: Findings) -> None:
    """Names that nothing has, thresholds out of reach, what the vault's guard would not take.

    `own`: addresses of the platform and the vault itself, where they are known.
    """
    people = content["people"]
    known = {
        "initiators": {person["id"] for person in people},
        "departments": {person["department"] for person in people},
        "tags": {tag for entry in content["address_book"] for tag in entry.get("tags", ())},
    }
    codes = {
        "initiators": ("person_unknown", "There is no person {!r} here."),
        "departments": ("department_unknown", "Nobody here is of the department {!r}."),
        "tags": ("tag_unknown", "No entry of the address book is tagged {!r}."),
    }
    for rule in content["rules"]:
        path = f"rules.{rule['id']}"
        for what in _NAMED:
            for name in rule["when"].get(what, ()):
                if name not in known[what]:
                    code, words = codes[what]
                    findings.error(code, f"{path}.when.{what}", words.format(name))
        for group in (group for groups in rule.get("approvals", ()) for group in groups):
            department = group["department"]
            if department is not None and department not in known["departments"]:
                findings.error(
                    "department_unknown", f"{path}.then", f"Nobody here is of {department!r}."
                )
    _check_thresholds(content, findings)
    _check_guard(content, set(own), findings)


def check_bundle(bundle: Bundle, now: int) -> list[Finding]:
    """What the rules say in truth: contradictions, dead rules, deadlocks, single people."""
    findings = Findings()
    if bundle.valid_until <= now:
        findings.error("over_already", "valid_until", "The policy would have ended already.")
    _check_limits(bundle, findings)
    _check_reach(bundle, probes_of(bundle, now), findings)
    for stuck in deadlocks(bundle, now):
        if stuck.without is None:
            findings.error("deadlock", "rules", stuck.words)
        else:
            findings.warning("deadlock_after_one", f"people.{stuck.without}", stuck.words)
    if bundle.rules:
        for power in powers(bundle, now):
            _check_alone(bundle, power, findings)
    else:
        findings.warning("deposits_only", "rules", "No rule lets anything leave: deposits only.")
    return findings.found


def _check_thresholds(content: Mapping[str, Any], findings: Findings) -> None:
    """More signatures than there are people to make them."""
    held = content.get("controls") or content["vault"]
    administrators = sum("administrator" in one["roles"] for one in content["people"])
    for path, wanted, there, who in (
        ("vault.threshold", held["threshold"], len(held["owners"]), "owners of the vault"),
        ("administrator_quorum", content["administrator_quorum"], administrators, "administrators"),
    ):
        if isinstance(wanted, int) and wanted > there:
            findings.error(
                "threshold_deadlock", path, f"{wanted} must sign, but there are {there} {who}."
            )


def _check_guard(content: Mapping[str, Any], own: set[Address], findings: Findings) -> None:
    """The guard keeps limits in 128 bits, and lists no destination that is a token or its own."""
    for limit in content["limits"]:
        if int(limit["per_day_units"]) > DAY_UNITS_MAX:
            findings.error(
                "guard_limit_overflow",
                f"assets.{limit['asset']}.per_day",
                "The vault's guard keeps a day's limit in 128 bits; this one does not fit.",
            )
    tokens = {token["contract"] for token in content["tokens"] if token["contract"] is not None}
    for entry in content["address_book"]:
        address = parse_address(entry["address"])
        if entry["address"] in tokens or address in own:
            what = "a token's contract" if entry["address"] in tokens else "the platform's own"
            findings.error(
                "guard_destination_wrong",
                f"address_book.{entry['label']}",
                f"{checksum(address)} is {what}: what is paid there is lost, and the vault's guard "
                "refuses it.",
            )


def _check_limits(bundle: Bundle, findings: Findings) -> None:
    for limit in bundle.limits:
        if limit.per_payment_units > limit.per_day_units:
            once, day = (
                grouped(Amount(units, limit.asset))
                for units in (limit.per_payment_units, limit.per_day_units)
            )
            findings.warning(
                "limit_pointless",
                f"assets.{limit.asset.code}.per_payment",
                f"One payment may be {once}, a whole day only {day}.",
            )


def _check_reach(bundle: Bundle, probes: Probes, findings: Findings) -> None:
    """A rule that nothing matches, or whose every payment another rule denies, says nothing."""
    if not probes.whole:
        findings.warning(
            "not_all_tried", "rules", "There are more sorts of payments than could be tried."
        )
        return
    book = rulebook(bundle)
    reached: dict[str, set[str]] = {rule.id: set() for rule in bundle.rules}
    for probe in probes.probes:
        person = book.people[probe.facts.initiator]
        verdict = evaluate(bundle, probe.facts)
        denier = verdict.rule_id if verdict.kind == "denied" else ""
        for rule in book.match(probe.facts, person).rules:
            reached[rule.id].add(denier)
    rules = {rule.id: rule for rule in bundle.rules}
    for identifier, deniers in reached.items():
        _say_reach(bundle, rules[identifier], deniers, rules, findings)


def _say_reach(
    bundle: Bundle, rule: Rule, deniers: set[str], rules: Mapping[str, Rule], findings: Findings
) -> None:
    words = rule_words(rule, bundle)
    if not deniers:
        findings.error(
            "rule_unreachable",
            f"rules.{rule.id}",
            f"No payment that limits and address book allow ever matches: {words}",
        )
    elif rule.verdict != "deny" and "" not in deniers:
        by = ", ".join(sorted(one for one in deniers if one in rules)) or ", ".join(sorted(deniers))
        findings.error(
            "rule_contradicted",
            f"rules.{rule.id}",
            f"Whatever matches is denied by {by}, so this never counts: {words}",
        )


def _check_alone(bundle: Bundle, power: Power, findings: Findings) -> None:
    people = power.needs.people
    if people is not None and len(people) == 1:
        findings.warning("one_person", power.what, f"One person is enough: {power.words}")
    if people is None and power.what.startswith("drain:"):
        asset = Asset(power.what.removeprefix("drain:"))
        if any(rule.when.assets in (None, (asset.code,)) for rule in bundle.rules):
            findings.warning("asset_stuck", f"assets.{asset.code}", power.words)

"""What must hold between the three, case by case; each breach in words."""

from collections import Counter
from dataclasses import dataclass, field

from strongroom_protocol.facts import Facts
from strongroom_protocol.rules import Over, Per
from tests.integration.agreement.acts import COOLING
from tests.integration.agreement.firm import ASSETS, Firm
from tests.integration.agreement.model import THREE_HOURS
from tests.integration.agreement.world import Seen, World

# What the signer says when the rules do not allow.
REFUSALS = {
    "denied": {"signer.policy_denied", "signer.token_unknown"},
    "awaiting_approvals": {"signer.approvals_missing"},
}
COOLING_CODE = "signer.destination_cooling"
WINDOWS = tuple(buckets * THREE_HOURS for buckets in (1, 7, 8, 9, 24, 8 * 31))
PERS: tuple[Per, ...] = ("organisation", "initiator", "source", "destination")


@dataclass
class Tally:
    """How often what happened, so that a run that proved nothing is seen."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, seen: Seen) -> None:
        """One case."""
        rule = seen.verdict.rule_id
        names = ["cases", f"rules: {seen.verdict.kind}"]
        if seen.step["by_key"]:
            names.append("by a spending key")
        if seen.verdict.kind == "denied":
            named = rule in {one.id for one in seen.firm.parsed.rules}
            names.append(f"denied by {'a rule' if named else rule}")
        names.append("signer permitted" if seen.signed["ok"] else str(seen.signed["code"]))
        if seen.chain is not None:
            names.append(f"mined: {seen.chain.error or 'paid'}")
        if seen.stolen is not None:
            names.append(f"stolen Permit: {seen.stolen.error or 'paid within its limits'}")
        if seen.forged is not None:
            names.append(f"forged Permit: {seen.forged.error or 'PAID'}")
        self.counts.update(names)


def breaches(seen: Seen) -> list[str]:
    """What is wrong with one case."""
    if seen.step["by_key"]:
        return _signer_breaches(seen)
    return [*_signer_breaches(seen), *_guard_breaches(seen)]


def _signer_breaches(seen: Seen) -> list[str]:
    rules, signed = seen.verdict, seen.signed
    found = []
    if signed["ok"] and rules.kind != "allowed":
        found.append(f"the rules say {rules.kind} ({rules.sentence}), the signer permits")
    if signed["ok"] and is_cooling(seen):
        found.append("the destination is cooling, the signer permits")
    if not signed["ok"]:
        allowed = {COOLING_CODE} if is_cooling(seen) else REFUSALS.get(rules.kind, set[str]())
        if signed["code"] not in allowed:
            words = f"{signed['code']}: {signed['message']}"
            found.append(f"the rules say {rules.kind} ({rules.sentence}), the signer {words}")
    if seen.dry is not None:
        found += _dry_breaches(seen)
    return found


def is_cooling(seen: Seen) -> bool:
    """Whether the signer saw the destination too lately."""
    first = seen.firm.first_seen.get(seen.intent.to, 0)
    return first > 0 and seen.at < first + COOLING


def _dry_breaches(seen: Seen) -> list[str]:
    rules, dry = seen.verdict, seen.dry or {}
    if not dry["ok"]:
        known = dry["code"] == "signer.token_unknown" and rules.rule_id == "assets"
        known |= dry["code"] == COOLING_CODE and is_cooling(seen)
        return [] if known else [f"the rehearsal was refused: {dry['code']}: {dry['message']}"]
    said = dry["body"]
    mine = {
        "verdict": rules.kind,
        "rule_id": rules.rule_id,
        "sentence": rules.sentence,
        "missing": [need.sentence() for need in rules.missing],
    }
    return [
        f"rehearsed {name}: the rules say {value!r}, the signer {said[name]!r}"
        for name, value in mine.items()
        if said[name] != value
    ]


def _guard_breaches(seen: Seen) -> list[str]:
    """The guard does what its configuration in the bundle says: no more, and no less."""
    found = []
    intent, guard = seen.intent, seen.firm.guard
    before = [one for one in guard.mined if one[0] < seen.at]
    model = type(guard)(guard.day_units, guard.usable_from, before)
    due = model.refusal(intent.token, intent.to, intent.units, seen.at)
    fate = seen.chain or seen.stolen
    if fate is not None and fate.error != due:
        found.append(f"the guard answers {fate.error or 'paid'}, configured is {due or 'paid'}")
    # A vault that is as it was founded has nothing to catch up with.
    right = len(seen.firm.versions) == 1
    right |= guard.is_right_for(seen.firm.parsed, intent.token, intent.to, seen.at)
    if seen.chain is not None and seen.chain.error is not None and right:
        found.append(f"permitted, and jams on chain: {seen.chain.error}")
    if seen.forged is not None and seen.forged.error is None:
        found.append("paid under a Permit that the HSM did not make")
    return found


def sums(world: World, firms: list[Firm]) -> list[tuple[Firm, str]]:
    """What each of the three counts of every asset at this very moment."""
    asked = [(firm, i) for firm in firms for i in firm.script["assets"]]
    places = [(firm.vault, world.node.tokens[i]) for firm, i in asked]
    found = []
    for (firm, i), counted in zip(asked, world.node.spent(places, world.now), strict=True):
        asset, now = ASSETS[i], world.now
        told = (firm.permitted.day_units(asset, now), world.signer_spent(firm, asset))
        by_vault = firm.permitted.day_units(asset, now, firm.vault)
        mined = firm.guard.spent(world.node.tokens[i], now)
        alike = told[0] == told[1] and counted == mined
        if not alike or (firm.jams == 0 and by_vault != counted):
            found.append(
                (
                    firm,
                    f"{asset} of the last day: rules {told[0]}, signer {told[1]}, guard {counted}",
                )
            )
    return found


def histories(world: World, seen: Seen, draw: int) -> list[str]:
    """The signer's memory against the model's, for a window that no rule may have asked for; 48
    draws in a row see them all.
    """
    valued, window = draw % 2 == 0, WINDOWS[draw // 2 % len(WINDOWS)]
    per = PERS[draw // 2 // len(WINDOWS) % len(PERS)]
    over = Over(window, per, value_above=1) if valued else Over(window, per, units_above=1)
    facts: Facts = seen.facts
    if facts.asset not in {one.asset.code for one in seen.firm.parsed.tokens}:
        return []
    told, kept = (
        world.signer_history(seen.firm).used(over, facts),
        seen.firm.permitted.used(over, facts),
    )
    pairs: list[tuple[str, int | None, int | None]] = [
        ("units", kept.units, told.units),
        ("count", kept.count, told.count),
    ]
    pairs += [("value", kept.value_units, told.value_units)] if valued else []
    return [
        f"{name} of {window} s per {per}: rules {mine}, signer {theirs}"
        for name, mine, theirs in pairs
        if mine != theirs
    ]

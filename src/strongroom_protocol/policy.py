"""The verdict on one payment under one bundle: deny wins, and what no rule names is denied.

The API previews with it and the signer decides with it. All matching rules that ask for approvals
add up; the wallet's own threshold comes on top. A person counts in each demand that she fits.
"""

from dataclasses import dataclass
from typing import Literal

from strongroom_protocol.addresses import checksum
from strongroom_protocol.amounts import UNITS_MAX, Amount
from strongroom_protocol.bundle import Bundle, Limit, Person
from strongroom_protocol.consent import APPROVER, Demand, approving, missing
from strongroom_protocol.fact_words import Words
from strongroom_protocol.facts import NO_HISTORY, Facts, History, Used
from strongroom_protocol.rulebook import Match, Rulebook, rulebook
from strongroom_protocol.rules import Group, Path, Rule
from strongroom_protocol.windows import DAY_SECONDS

__all__ = [
    "DAY_SECONDS",
    "NO_HISTORY",
    "THRESHOLD",
    "Demand",
    "Facts",
    "History",
    "Used",
    "Verdict",
    "above_limit",
    "evaluate",
]

Kind = Literal["allowed", "denied", "awaiting_approvals"]
# The rule id of what a wallet asks for by itself.
THRESHOLD = "threshold"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided, by which rule, in a sentence; `missing` is what would change it. `facts`:
    what was used for it, in words.
    """

    kind: Kind
    rule_id: str
    sentence: str
    required: tuple[Demand, ...] = ()
    missing: tuple[Demand, ...] = ()
    facts: tuple[str, ...] = ()


def evaluate(bundle: Bundle, facts: Facts) -> Verdict:
    """The verdict; never raises for a payment, and denies what it does not know."""
    book = rulebook(bundle)
    person = book.people.get(facts.initiator)
    denial = _built_in(book, facts, person)
    if denial is not None or person is None:
        return denial or _denied("people", "The initiator is unknown.")
    match = book.match(facts, person)
    words = Words(book, facts, person, match.used)
    for rule in match.rules:
        if rule.verdict == "deny":
            sentence = f"Rule {rule.id} denies this payment of {words.amount}{words.because(rule)}."
            return Verdict("denied", rule.id, sentence, facts=words.of(match.rules))
    if not match.permitted:
        sentence = f"No rule allows {person.name} to pay {words.amount} there{words.unknown}."
        return Verdict("denied", "default", sentence, facts=words.of(bundle.rules))
    return _with_approvals(book, facts, match, words)


def _built_in(book: Rulebook, facts: Facts, person: Person | None) -> Verdict | None:
    """What every bundle denies: its own end, strangers, unlisted assets and places, limits."""
    bundle = book.bundle
    if facts.now > bundle.valid_until:
        return _denied("valid_until", f"Policy version {bundle.version} has run out; renew it.")
    if person is None or "initiator" not in person.roles:
        return _denied("initiator", f"{facts.initiator} is no initiator in this policy.")
    limit = book.limits.get(facts.asset)
    if limit is None:
        return _denied("assets", f"{facts.asset} is not among this policy's assets.")
    unknown = _unknown_place(book, facts)
    if unknown is not None:
        return _denied("address_book", unknown)
    if not 0 < facts.units <= UNITS_MAX:
        return _denied("units", "A payment of nothing, or beyond 2^256 units, is none.")
    above = above_limit(limit, facts.units, facts.spent_units)
    if above is not None or facts.wallet is None:
        return None if above is None else _denied("limits", above)
    key = book.spending.get(facts.wallet)
    own = None if key is None else key.limit_of(limit.asset)
    if own is None:
        wallet = checksum(facts.wallet)
        return _denied("wallet", f"{wallet} is no spending key for {facts.asset} in this policy.")
    above = above_limit(own, facts.units, facts.wallet_spent_units)
    return None if above is None else _denied("float", f"Of this spending key: {above}")


def _unknown_place(book: Rulebook, facts: Facts) -> str | None:
    """Why money may not go there at all: it is neither in the book nor, for a spending key, a
    wallet of the organisation's own. The vault's guard knows the book alone.
    """
    place = facts.destination
    own = place == facts.vault or place in book.spending
    if place in book.entries or (own and facts.wallet is not None):
        return None
    where = checksum(place)
    if own:
        return f"{where} is an own wallet; the vault pays it only if the address book lists it."
    return f"{where} is not in the address book of this policy."


def above_limit(limit: Limit, units: int, spent_units: int) -> str | None:
    """Why this is more than the limit, or None."""
    if units > limit.per_payment_units:
        asked, most = Amount(units, limit.asset), Amount(limit.per_payment_units, limit.asset)
        return f"{asked} is more than the {most} of one payment."
    if units + spent_units > limit.per_day_units:
        asked, most = Amount(units, limit.asset), Amount(limit.per_day_units, limit.asset)
        spent = Amount(spent_units, limit.asset)
        return f"{asked} with the {spent} of the last day is more than {most} a day."
    return None


def demands(book: Rulebook, facts: Facts, rules: tuple[Rule, ...]) -> tuple[Demand, ...]:
    """What the wallet and these rules ask for, each form once."""
    key = None if facts.wallet is None else book.spending.get(facts.wallet)
    threshold = book.bundle.control.threshold if key is None else key.threshold
    found: dict[tuple[Path, ...], str] = {((Group(APPROVER, None, threshold),),): THRESHOLD}
    for rule in rules:
        if rule.approvals:
            found.setdefault(rule.approvals, rule.id)
    return tuple(Demand(rule_id, paths) for paths, rule_id in found.items())


def _with_approvals(book: Rulebook, facts: Facts, match: Match, words: Words) -> Verdict:
    required = demands(book, facts, match.rules)
    people = approving(book.bundle, facts.approvers, facts.initiator, facts.now)
    lacking = missing(required, people)
    asking = (rule.id for rule in match.rules if rule.verdict == "approvals")
    rule_id = next(asking, match.rules[0].id if match.rules else "default")
    used = words.of(match.rules)
    if lacking:
        whom = " and ".join(one.sentence() for one in lacking)
        sentence = f"{words.amount} waits for {whom} (rule {rule_id}){words.unknown}."
        return Verdict("awaiting_approvals", rule_id, sentence, required, lacking, used)
    sentence = f"Rule {rule_id} allows {words.amount}: everybody it asks for has approved."
    return Verdict("allowed", rule_id, sentence, required, (), used)


def _denied(rule_id: str, sentence: str) -> Verdict:
    return Verdict("denied", rule_id, sentence)

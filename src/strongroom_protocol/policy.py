"""The verdict on one payment under one bundle: deny wins, and what no rule names is denied.

The API previews with it and the signer decides with it. Facts come from signatures and from the
signer's own counters; time is one of them. A person counts for every requirement that fits.
"""

from dataclasses import dataclass
from typing import Literal

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import UNITS_MAX, Amount, Asset
from strongroom_protocol.bundle import Bundle, Limit, Person
from strongroom_protocol.rules import ADDRESS_BOOK, Requirement, Rule, When

DAY_SECONDS = 86_400
Kind = Literal["allowed", "denied", "awaiting_approvals"]


@dataclass(frozen=True, slots=True)
class Facts:
    """One payment. `spent_units`: paid in this asset in the day before `now` (Unix seconds).

    `initiator` and `approvers` are ids of the bundle's people. `wallet` is the spending key that
    pays, None = the vault; `wallet_spent_units` is what that key alone paid in the day before.
    """

    initiator: str
    asset: str
    units: int
    destination: Address
    now: int
    spent_units: int = 0
    approvers: frozenset[str] = frozenset()
    wallet: Address | None = None
    wallet_spent_units: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided, by which rule, in a sentence; `missing` is what would change it."""

    kind: Kind
    rule_id: str
    sentence: str
    required: tuple[Requirement, ...] = ()
    missing: tuple[Requirement, ...] = ()


def evaluate(bundle: Bundle, facts: Facts) -> Verdict:
    """The verdict; never raises for a payment, and denies what it does not know."""
    person = next((one for one in bundle.people if one.id == facts.initiator), None)
    denial = _built_in(bundle, facts, person)
    if denial is not None or person is None:
        return denial or _denied("people", "The initiator is unknown.")
    matching = [rule for rule in bundle.rules if _matches(rule.when, bundle, facts, person)]
    for rule in matching:
        if rule.verdict == "deny":
            return _denied(rule.id, f"Rule {rule.id} denies this payment of {_amount(facts)}.")
    if not matching:
        return _denied("default", f"No rule allows {person.name} to pay {_amount(facts)} there.")
    return _with_approvals(bundle, facts, matching)


def _built_in(bundle: Bundle, facts: Facts, person: Person | None) -> Verdict | None:
    """What every bundle denies: its own end, strangers, unlisted assets and places, limits."""
    if facts.now > bundle.valid_until:
        return _denied("valid_until", f"Policy version {bundle.version} has run out; renew it.")
    if person is None or "initiator" not in person.roles:
        return _denied("initiator", f"{facts.initiator} is no initiator in this policy.")
    listed = {token.asset.code for token in bundle.tokens}
    limit = bundle.limit_of(Asset(facts.asset)) if facts.asset in listed else None
    if limit is None:
        return _denied("assets", f"{facts.asset} is not among this policy's assets.")
    if facts.destination not in {entry.address for entry in bundle.address_book}:
        where = checksum(facts.destination)
        return _denied("address_book", f"{where} is not in the address book of this policy.")
    if not 0 < facts.units <= UNITS_MAX:
        return _denied("units", "A payment of nothing, or beyond 2^256 units, is none.")
    above = above_limit(limit, facts.units, facts.spent_units)
    if above is not None or facts.wallet is None:
        return None if above is None else _denied("limits", above)
    key = bundle.spending_at(facts.wallet)
    own = None if key is None else key.limit_of(limit.asset)
    if own is None:
        wallet = checksum(facts.wallet)
        return _denied("wallet", f"{wallet} is no spending key for {facts.asset} in this policy.")
    above = above_limit(own, facts.units, facts.wallet_spent_units)
    return None if above is None else _denied("float", f"Of this spending key: {above}")


def above_limit(limit: Limit, units: int, spent_units: int) -> str | None:
    """Why this is more than the limit, or None."""
    asked = Amount(units, limit.asset)
    if units > limit.per_payment_units:
        most = Amount(limit.per_payment_units, limit.asset)
        return f"{asked} is more than the {most} of one payment."
    if units + spent_units > limit.per_day_units:
        most, spent = Amount(limit.per_day_units, limit.asset), Amount(spent_units, limit.asset)
        return f"{asked} with the {spent} of the last day is more than {most} a day."
    return None


def _with_approvals(bundle: Bundle, facts: Facts, matching: list[Rule]) -> Verdict:
    """All matching rules' requirements together, and the wallet's own threshold."""
    key = None if facts.wallet is None else bundle.spending_at(facts.wallet)
    threshold = bundle.vault.threshold if key is None else key.threshold
    required = [Requirement("approver", None, threshold)]
    required += [need for rule in matching for need in rule.approvals]
    required = list(dict.fromkeys(required))
    approved = [
        person
        for person in bundle.people
        if person.id in facts.approvers and person.id != facts.initiator
    ]
    missing = []
    for need in required:
        there = sum(need.fits(person.roles, person.department) for person in approved)
        if there < need.minimum:
            missing.append(Requirement(need.role, need.department, need.minimum - there))
    rule_id = next((rule.id for rule in matching if rule.verdict == "approvals"), matching[0].id)
    if missing:
        words = " and ".join(need.sentence() for need in missing)
        sentence = f"{_amount(facts)} waits for {words} (rule {rule_id})."
        return Verdict("awaiting_approvals", rule_id, sentence, tuple(required), tuple(missing))
    sentence = f"Rule {rule_id} allows {_amount(facts)}: everybody it asks for has approved."
    return Verdict("allowed", rule_id, sentence, tuple(required))


def _matches(when: When, bundle: Bundle, facts: Facts, person: Person) -> bool:
    book = {entry.address for entry in bundle.address_book}
    places = book if when.destinations == ADDRESS_BOOK else when.destinations
    return (
        (when.initiators is None or facts.initiator in when.initiators)
        and (when.departments is None or person.department in when.departments)
        and (when.assets is None or facts.asset in when.assets)
        and (places is None or facts.destination in places)
        and (when.units_above is None or facts.units > when.units_above)
        and (when.units_at_most is None or facts.units <= when.units_at_most)
    )


def _denied(rule_id: str, sentence: str) -> Verdict:
    return Verdict("denied", rule_id, sentence)


def _amount(facts: Facts) -> str:
    return str(Amount(facts.units, Asset(facts.asset)))

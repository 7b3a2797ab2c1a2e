"""Verdicts under a policy of 50 rules on one core: the rulebook, and the same rules as bare ifs."""

import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from benches.report import in_turns, report
from strongroom_protocol.addresses import Address
from strongroom_protocol.amounts import Asset
from strongroom_protocol.bundle import (
    Account,
    Bundle,
    Destination,
    Limit,
    Person,
    Spending,
    Token,
    Vault,
)
from strongroom_protocol.facts import Facts, Used
from strongroom_protocol.hours import Hours
from strongroom_protocol.policy import evaluate
from strongroom_protocol.rates import Rates
from strongroom_protocol.rules import Group, Over, Rule, When

COUNT = 10_000
TURNS = 7
SEED = 20_261_122
RULES = 50
PEOPLE = 24
PLACES = 20
DENIED_PERCENT = 10
TUSD = Asset("TUSD/6")
MUCH = 10**15
NOW = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
EVENING = 20 * 60
DAY_SECONDS = 86_400
# The last rule but for the payments that are denied: three of finance, one of risk.
LAST = ((Group("approver", "finance", 3), Group("approver", "risk", 1)),)
HOT = Address(b"\x5a" * 20)


class Past:
    """What was paid before: the same for every payment, so that rules alone are measured."""

    def used(self, over: Over, facts: Facts) -> Used:
        """Little."""
        return Used(facts.units, 0, over.window_seconds // DAY_SECONDS)


def main() -> int:
    """Rates are verdicts per second of this process's CPU time, so that neighbours don't count."""
    bundle = policy()
    asked = payments(random.Random(SEED))
    by_hand = bare(bundle)
    check(bundle, asked, by_hand)

    def ours() -> float:
        return rate(asked, lambda facts: evaluate(bundle, facts))

    def raw() -> float:
        return rate(asked, by_hand)

    pairs = in_turns(ours, raw, turns=TURNS)
    denied = sum(by_hand(facts) == "denied" for facts in asked)
    report(
        "policy",
        f"verdicts under {RULES} rules of which the last matches, one core",
        "verdicts/s",
        pairs,
        raw_limit_is="the same 50 rules as hand-written ifs that answer one word",
        more={"rules": RULES, "denied_share": denied / len(asked), "seed": SEED},
    )
    return 0


def rate(asked: list[Facts], judge: Callable[[Facts], object]) -> float:
    """Verdicts per second of CPU."""
    begun = time.process_time()
    for facts in asked:
        judge(facts)
    return len(asked) / (time.process_time() - begun)


def policy() -> Bundle:
    """People of three departments, tagged places, and fifty rules of every kind of condition."""
    people = [
        Person(f"p{i}", f"Person {i}", place(i), ("initiator", "approver"), department(i))
        for i in range(PEOPLE)
    ]
    book = [Destination(place(100 + i), f"place {i}", (f"tag{i % 5}",)) for i in range(PLACES)]
    return Bundle(
        organisation=bytes(32), version=1, previous=bytes(32), chain_id=1, people=tuple(people),
        administrator_quorum=1, account=Account(0, bytes(32), bytes(32)),
        vault=Vault(bytes(32), (), 2, HOT, (), (), ()),
        tokens=(Token(TUSD, place(99)),), address_book=tuple(book),
        limits=(Limit(TUSD, MUCH, MUCH),), rules=tuple(rules()), sweep_mandate=True,
        max_fee_per_gas_wei=1, max_total_fee_wei=1, valid_until=NOW + DAY_SECONDS,
        spending=(Spending(0, HOT, "hot", 1, (Limit(TUSD, MUCH, MUCH),)),),
        rates=Rates(Asset("USD/2"), (), 600, 100),
    )  # fmt: skip


def rules() -> Iterator[Rule]:
    """Denials by tag, hour, worth, window and screening; permissions a person; tiers; the last."""
    late = Hours("Europe/Berlin", ("mon", "tue", "wed", "thu", "fri"), 0, EVENING, outside=True)
    yield Rule("deny-review", "deny", When(screening=("review", "unknown")))
    yield Rule("deny-late", "deny", When(departments=("risk",), hours=late))
    yield Rule("deny-busy", "deny", When(over=(Over(DAY_SECONDS, "initiator", count_above=90),)))
    yield Rule("deny-dear", "deny", When(value_above=10**12))
    for i in range(5):
        yield Rule(f"deny-tag{i}", "deny", When(tags=(f"tag{i}",), value_above=10**9 + i))
    for i in range(PEOPLE):
        above = 10**9 + i
        when = When(initiators=(f"p{i}",), assets=(TUSD.code,), units_above=above)
        yield Rule(f"large-p{i}", "approvals", when, ((Group("approver", None, 4),),))
    for i in range(RULES - 1 - 4 - 5 - PEOPLE):
        when = When(sources=(HOT,), destinations=(place(100 + i),), value_at_most=10**6 + i)
        yield Rule(f"hot-{i}", "allow", when)
    yield Rule("last", "approvals", When(sources=("vault",), destinations="address_book"), LAST)


def payments(chance: random.Random) -> list[Facts]:
    """Payments from the vault that only the last rule permits; one in ten is under review."""
    everybody = frozenset(f"p{i}" for i in range(PEOPLE))
    return [
        Facts(
            initiator=f"p{chance.randrange(PEOPLE)}",
            asset=TUSD.code,
            units=chance.randrange(1, 10**9),
            destination=place(100 + chance.randrange(PLACES)),
            now=NOW,
            approvers=frozenset(chance.sample(sorted(everybody), 8)),
            screening="review" if number % 100 < DENIED_PERCENT else "clear",
            value_units=chance.randrange(10**8),
            history=Past(),
        )
        for number in range(COUNT)
    ]


def bare(bundle: Bundle) -> Callable[[Facts], str]:  # noqa: C901  (it is what it measures)
    """The same by hand: no words, no tables, what can be known before is known before."""
    people = {person.id: person for person in bundle.people}
    book = {entry.address: entry.tags for entry in bundle.address_book}
    large = [(f"p{i}", 10**9 + i) for i in range(PEOPLE)]
    tagged = [(f"tag{i}", 10**9 + i) for i in range(5)]
    small = [(place(100 + i), 10**6 + i) for i in range(RULES - 1 - 4 - 5 - PEOPLE)]
    late = bundle.rules[1].when.hours
    busy = bundle.rules[2].when.over[0]

    def judge(facts: Facts) -> str:  # noqa: C901, PLR0912  (it is what it measures)
        person, tags = people.get(facts.initiator), book.get(facts.destination)
        value = facts.value_units or 0
        if person is None or tags is None or not 0 < facts.units + facts.spent_units <= MUCH:
            return "denied"
        if facts.screening in ("review", "unknown"):
            return "denied"
        if person.department == "risk" and late is not None and late.hold(facts.now):
            return "denied"
        if facts.history.used(busy, facts).count + 1 > 90:
            return "denied"
        if value > 10**12:
            return "denied"
        for tag, most in tagged:
            if tag in tags and value > most:
                return "denied"
        needed, permitted = 2, False
        for initiator, most in large:
            if facts.initiator == initiator and facts.units > most:
                needed, permitted = 4, True
        for where, most in small:
            if facts.wallet == HOT and facts.destination == where and value <= most:
                permitted = True
        is_last = facts.wallet is None
        if not (permitted or is_last):
            return "denied"
        there = [people[one] for one in facts.approvers if one != facts.initiator]
        enough = len(there) >= needed
        if is_last:
            finance = sum(one.department == "finance" for one in there)
            enough = enough and finance >= 3 and any(one.department == "risk" for one in there)
        return "allowed" if enough else "awaiting_approvals"

    return judge


def check(bundle: Bundle, asked: list[Facts], by_hand: Callable[[Facts], str]) -> None:
    """Both say the same of each payment, and the last rule is what permits."""
    for facts in asked:
        verdict = evaluate(bundle, facts)
        if verdict.kind != by_hand(facts):
            sys.exit(f"policy: {verdict.sentence} But by hand: {by_hand(facts)}")
        if verdict.kind != "denied" and verdict.rule_id != "last":
            sys.exit(f"policy: {verdict.rule_id} decided, not the last rule")


def place(number: int) -> Address:
    """An address."""
    return Address(number.to_bytes(20, "big"))


def department(number: int) -> str:
    """Of person `number`."""
    return ("finance", "risk", "trade")[number % 3]


if __name__ == "__main__":
    sys.exit(main())

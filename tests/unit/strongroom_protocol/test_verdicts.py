"""Verdicts under the whole rule language: each condition, and what must hold whatever the policy.

`expected` is the language written down a second time, one rule after the other; the rulebook with
its tables must say the same.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_protocol.addresses import Address
from strongroom_protocol.amounts import Asset
from strongroom_protocol.bundle import Bundle, Destination, Limit, Spending, Token
from strongroom_protocol.facts import Facts, Used
from strongroom_protocol.hours import Hours
from strongroom_protocol.policy import evaluate
from strongroom_protocol.rates import Rates
from strongroom_protocol.rules import Group, Over, Rule, When
from tests.unit.strongroom_protocol.organisation import NOW, OTHER_PAYEE, PAYEE, TOKEN, bundle

HOT, COLD, VAULT, STRANGER = (Address(bytes([one]) * 20) for one in (0x5A, 0x5D, 0x5B, 0x5C))
ETH, TUSD = Asset("ETH/18"), Asset("TUSD/6")
FREE = 10**9
BUNDLE = replace(
    bundle(),
    rules=(),
    tokens=(Token(ETH, None), Token(TUSD, TOKEN)),
    limits=(Limit(ETH, FREE, FREE), Limit(TUSD, FREE, FREE)),
    address_book=(Destination(PAYEE, "Payee", ("exchange", "own")), Destination(OTHER_PAYEE, "B")),
    spending=(
        Spending(0, HOT, "hot", 1, (Limit(TUSD, FREE, FREE),)),
        Spending(0, COLD, "cold", 1, (Limit(TUSD, FREE, FREE),)),
    ),
    rates=Rates(Asset("USD/2"), (), 60, 100),
)
EVERYBODY = frozenset({"ada", "ben", "cat", "dan", "eve", "amy"})


class Past:
    """What a test says was paid before, by window."""

    def __init__(self, **used):
        self.said = used
        self.asked = []

    def used(self, over, facts):
        self.asked.append((over, facts))
        return self.said.get(over.per, Used())


FACTS = Facts(
    "ada", "TUSD/6", 100, PAYEE, NOW, approvers=EVERYBODY, vault=VAULT, value_units=1_000,
    history=Past(),
)  # fmt: skip


def policy(*rules):
    return replace(BUNDLE, rules=rules)


def allows(when, **facts):
    return evaluate(policy(Rule("r", "allow", when)), replace(FACTS, **facts)).kind == "allowed"


def over(**measure):
    return When(assets=("TUSD/6",), over=(Over(86_400, "initiator", **measure),))


WORK = Hours("UTC", ("mon", "tue", "wed", "thu", "fri"), 480, 1080, False)
MONDAY = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("when", "facts", "matches"),
    [
        (When(tags=("exchange",)), {}, True),
        (When(tags=("bank", "own")), {}, True),
        (When(tags=("bank",)), {}, False),
        (When(tags=("exchange",)), {"destination": OTHER_PAYEE}, False),
        (When(destinations="address_book"), {"destination": HOT, "wallet": COLD}, False),
        (When(destinations="own_wallets"), {"destination": HOT, "wallet": COLD}, True),
        (When(destinations="own_wallets"), {"destination": VAULT, "wallet": HOT}, True),
        (When(destinations="own_wallets"), {}, False),
        (When(destinations=(HOT,)), {"destination": HOT, "wallet": COLD}, True),
        (When(), {"destination": HOT, "wallet": COLD}, True),
        (When(sources=("vault",)), {}, True),
        (When(sources=("vault",)), {"wallet": HOT}, False),
        (When(sources=(HOT,)), {"wallet": HOT}, True),
        (When(sources=(HOT,)), {}, False),
        (When(screening=("clear",)), {}, True),
        (When(screening=("clear",)), {"screening": "review"}, False),
        (When(hours=WORK), {"now": MONDAY}, True),
        (When(hours=replace(WORK, outside=True)), {"now": MONDAY}, False),
        (When(hours=WORK), {"now": MONDAY + 6 * 3600}, False),
        (When(value_at_most=1_000), {}, True),
        (When(value_at_most=999), {}, False),
        (When(value_above=999), {}, True),
        (When(value_above=1_000), {}, False),
        (When(value_at_most=1_000), {"value_units": None}, False),
        (When(value_above=0), {"value_units": None}, False),
        (over(count_above=0), {}, True),
        (over(count_above=1), {}, False),
        (over(units_above=99), {}, True),
        (over(units_above=100), {}, False),
        (over(value_above=999), {}, True),
        (over(value_above=1_000), {}, False),
        (over(count_above=3), {"history": Past(initiator=Used(0, 0, 3))}, True),
        (over(count_above=3), {"history": Past(initiator=Used(0, 0, 2))}, False),
        (over(units_above=500), {"history": Past(initiator=Used(401, 0, 0))}, True),
        (over(units_above=500), {"history": Past(initiator=Used(400, 0, 0))}, False),
        (over(value_above=5_000), {"history": Past(initiator=Used(0, 4_001, 0))}, True),
        (over(value_above=5_000), {"history": Past(initiator=Used(0, None, 0))}, True),
        (over(count_above=3), {"history": Past(source=Used(0, 0, 9))}, False),
    ],
)
def test_each_condition(when, facts, matches):
    later = replace(BUNDLE, rules=(Rule("r", "allow", when),), valid_until=NOW * 2)
    assert (evaluate(later, replace(FACTS, **facts)).kind == "allowed") is matches


def test_the_vault_pays_an_own_wallet_only_where_the_book_lists_it():
    """Its guard knows the book alone: what it would refuse must not be permitted."""
    pay = policy(Rule("r", "allow", When(destinations="own_wallets")))
    verdict = evaluate(pay, replace(FACTS, destination=HOT))
    assert (verdict.kind, verdict.rule_id) == ("denied", "address_book")
    assert "an own wallet" in verdict.sentence
    listed = replace(pay, address_book=(*pay.address_book, Destination(HOT, "Hot")))
    assert evaluate(listed, replace(FACTS, destination=HOT)).kind == "allowed"


def test_a_place_that_is_nobodys_is_denied_whatever_the_rules_say():
    verdict = evaluate(policy(Rule("r", "allow", When())), replace(FACTS, destination=STRANGER))
    assert (verdict.kind, verdict.rule_id) == ("denied", "address_book")
    only_vault = replace(FACTS, destination=VAULT, vault=None)
    assert evaluate(policy(Rule("r", "allow", When())), only_vault).rule_id == "address_book"


TIERS = (
    Rule("small", "allow", When(value_at_most=1_000)),
    Rule("large", "approvals", When(value_above=1_000), ((Group("approver", "medicine", 1),),)),
    Rule("huge", "deny", When(value_above=100_000)),
)


def test_an_unknown_value_is_the_highest_tier_and_matches_what_denies():
    without_huge = policy(*TIERS[:2])
    two = frozenset({"ben", "cat"})
    assert evaluate(without_huge, replace(FACTS, approvers=two)).rule_id == "small"
    unknown = replace(FACTS, approvers=two, value_units=None)
    verdict = evaluate(without_huge, unknown)
    assert (verdict.kind, verdict.rule_id) == ("awaiting_approvals", "large")
    assert "what it is worth is not known" in verdict.sentence
    assert "of unknown worth" in verdict.facts
    assert evaluate(without_huge, replace(unknown, approvers=EVERYBODY)).kind == "allowed"
    assert evaluate(policy(*TIERS), replace(unknown, approvers=EVERYBODY)).rule_id == "huge"


def test_an_unknown_value_matches_what_denies_small_ones():
    dust = policy(Rule("pay", "allow", When()), Rule("dust", "deny", When(value_at_most=5)))
    assert evaluate(dust, replace(FACTS, value_units=6)).kind == "allowed"
    assert evaluate(dust, replace(FACTS, value_units=None)).rule_id == "dust"


def test_a_gap_in_the_tiers_denies_an_unknown_value():
    gap = policy(
        Rule("a", "allow", When(value_at_most=10)), Rule("b", "allow", When(value_above=11))
    )
    assert evaluate(gap, replace(FACTS, value_units=10)).kind == "allowed"
    assert evaluate(gap, replace(FACTS, value_units=11)).rule_id == "default"
    assert evaluate(gap, replace(FACTS, value_units=12)).kind == "allowed"
    assert evaluate(gap, replace(FACTS, value_units=None)).rule_id == "default"


def test_steps_add_up_and_each_is_named():
    second = Rule("night", "approvals", When(), ((Group("approver", "finance", 2),),))
    verdict = evaluate(policy(*TIERS[1:2], second), replace(FACTS, value_units=5_000))
    assert [one.rule_id for one in verdict.required] == ["threshold", "large", "night"]
    waiting = evaluate(
        policy(*TIERS[1:2], second),
        replace(FACTS, value_units=5_000, approvers=frozenset({"ben", "dan"})),
    )
    assert waiting.sentence == "0.0001 TUSD waits for 1 approver of finance (rule large)."


def test_a_denial_says_what_it_looked_at():
    night = replace(WORK, outside=True)
    busy = Over(86_400, "initiator", count_above=2)
    rule = Rule("quiet", "deny", When(departments=("finance",), hours=night, over=(busy,)))
    past = Past(initiator=Used(500, 0, 7))
    late = replace(BUNDLE, rules=(rule,), valid_until=NOW * 2)
    verdict = evaluate(late, replace(FACTS, now=MONDAY + 10 * 3600, history=past))
    assert verdict.sentence == (
        "Rule quiet denies this payment of 0.0001 TUSD: ordered by Ada of finance, "
        "Mon 22:00 in UTC, 7 payments before it in 24 hours by this initiator."
    )
    assert "worth 10 USD" in verdict.facts
    assert past.asked == [(busy, replace(FACTS, now=MONDAY + 10 * 3600, history=past))]


# --- whatever the policy ---------------------------------------------------------------------

LISTED = (PAYEE, OTHER_PAYEE)
PLACES = st.sampled_from([PAYEE, OTHER_PAYEE, HOT, VAULT])
BOUND = st.none() | st.integers(0, 6).map(lambda tens: tens * 10)
OVERS = st.builds(
    lambda per, measure, bound: Over(86_400, per, **{measure: bound}),
    st.sampled_from(["organisation", "initiator"]),
    st.sampled_from(["units_above", "value_above", "count_above"]),
    st.integers(0, 6).map(lambda tens: tens * 10),
)


def some(strategy):
    return st.none() | st.lists(strategy, min_size=1, max_size=2, unique=True).map(tuple)


def has_a_range(when):
    """Others are refused when they are read."""
    bounds = (when.units_above, when.units_at_most), (when.value_above, when.value_at_most)
    return all(low is None or high is None or low < high for low, high in bounds)


CONDITIONS = {
    "initiators": some(st.sampled_from(["ada", "ben"])),
    "departments": some(st.sampled_from(["finance", "medicine"])),
    "sources": some(st.sampled_from(["vault", HOT])),
    "destinations": st.sampled_from(["address_book", "own_wallets"]) | some(PLACES),
    "tags": some(st.sampled_from(["exchange", "bank"])),
    "units_above": BOUND,
    "units_at_most": BOUND,
    "value_above": BOUND,
    "value_at_most": BOUND,
    "over": st.lists(OVERS, max_size=2, unique=True).map(tuple),
    "hours": st.booleans().map(lambda out: replace(WORK, outside=out)),
    "screening": some(st.sampled_from(["clear", "review"])),
}
# Few conditions a rule: many of them match hardly anything.
WHENS = (
    st.sets(st.sampled_from(sorted(CONDITIONS)), max_size=3)
    .flatmap(lambda names: st.fixed_dictionaries({name: CONDITIONS[name] for name in names}))
    .map(lambda found: When(**found, assets=("TUSD/6",)))
    .filter(has_a_range)
)
GROUPS = st.builds(
    Group,
    st.sampled_from(["approver", "initiator"]),
    st.sampled_from([None, "finance", "medicine"]),
    st.integers(1, 2),
)
PATHS = st.lists(st.lists(GROUPS, min_size=1, max_size=2).map(tuple), min_size=1, max_size=2).map(
    tuple
)
VALUED = st.builds(
    When,
    value_above=BOUND,
    value_at_most=BOUND,
    over=st.lists(OVERS.filter(lambda one: one.value_above is not None), max_size=1).map(tuple),
).filter(has_a_range)


def lists_of(whens):
    """Up to four rules, each with its own id."""
    rule = st.one_of(
        st.builds(Rule, st.just("d"), st.just("deny"), whens),
        st.builds(Rule, st.just("a"), st.just("allow"), whens),
        st.builds(Rule, st.just("p"), st.just("approvals"), whens, PATHS),
    )
    return st.lists(rule, min_size=1, max_size=4).map(
        lambda rules: tuple(replace(rule, id=f"{rule.id}{i}") for i, rule in enumerate(rules))
    )


LISTS = lists_of(WHENS)
# Of nothing but values, so that they meet each other.
TIERED = lists_of(VALUED)
VALUES = st.integers(0, 70)
PAYMENTS = st.builds(
    lambda used, **members: replace(FACTS, history=Past(**used), **members),
    used=st.fixed_dictionaries(
        {
            per: st.builds(
                Used, st.integers(0, 60), st.none() | st.integers(0, 60), st.integers(0, 60)
            )
            for per in ("organisation", "initiator")
        }
    ),
    initiator=st.sampled_from(["ada", "ben"]),
    units=st.integers(1, 70),
    destination=PLACES,
    now=st.sampled_from([MONDAY, MONDAY + 8 * 3600]),
    approvers=st.frozensets(st.sampled_from(sorted(EVERYBODY))),
    wallet=st.sampled_from([None, HOT]),
    screening=st.sampled_from(["clear", "review"]),
    value_units=st.none() | VALUES,
).map(lambda facts: facts if facts.destination in LISTED else replace(facts, wallet=HOT))


def expected(rules, facts):
    """Whether some rule denies; whether one permits (the value being known)."""
    person = next(one for one in BUNDLE.people if one.id == facts.initiator)
    entry = next((one for one in BUNDLE.address_book if one.address == facts.destination), None)

    def matches(when):
        places = {
            None: True, "address_book": entry is not None,
            "own_wallets": facts.destination in (HOT, VAULT),
        }  # fmt: skip
        place = when.destinations
        before = [facts.history.used(one, facts) for one in when.over]
        return (
            (when.initiators is None or facts.initiator in when.initiators)
            and (when.departments is None or person.department in when.departments)
            and (when.sources is None or (facts.wallet or "vault") in when.sources)
            and (facts.destination in place if isinstance(place, tuple) else places[place])
            and (when.tags is None or (entry and set(entry.tags) & set(when.tags)))
            and (when.assets is None or facts.asset in when.assets)
            and (when.units_above is None or facts.units > when.units_above)
            and (when.units_at_most is None or facts.units <= when.units_at_most)
            and (when.value_above is None or facts.value_units > when.value_above)
            and (when.value_at_most is None or facts.value_units <= when.value_at_most)
            and (when.hours is None or when.hours.hold(facts.now))
            and (when.screening is None or facts.screening in when.screening)
            and all(
                (one.count_above is not None and used.count + 1 > one.count_above)
                or (one.units_above is not None and used.units + facts.units > one.units_above)
                or (
                    one.value_above is not None
                    and (
                        used.value_units is None
                        or used.value_units + facts.value_units > one.value_above
                    )
                )
                for one, used in zip(when.over, before, strict=True)
            )
        )

    found = [rule for rule in rules if matches(rule.when)]
    return any(rule.verdict == "deny" for rule in found), any(
        rule.verdict != "deny" for rule in found
    )


def judged(rules, facts):
    return evaluate(replace(BUNDLE, rules=rules, valid_until=NOW * 2), facts)


@settings(max_examples=200)
@given(LISTS | TIERED, PAYMENTS, VALUES)
def test_deny_wins_and_what_no_rule_names_is_denied(rules, facts, value):
    facts = replace(facts, value_units=value)
    denies, permits = expected(rules, facts)
    verdict = judged(rules, facts)
    assert (verdict.kind == "denied") is (denies or not permits), (verdict, rules)
    assert (verdict.rule_id == "default") is (not denies and not permits)


@settings(max_examples=60)
@given(LISTS, PAYMENTS, st.frozensets(st.sampled_from(sorted(EVERYBODY))))
def test_more_approvers_never_lose_what_fewer_had(rules, facts, more):
    before = judged(rules, facts)
    after = judged(rules, replace(facts, approvers=facts.approvers | more))
    order = ["denied", "awaiting_approvals", "allowed"]
    assert order.index(after.kind) >= order.index(before.kind)
    assert (after.kind == "denied") is (before.kind == "denied")


@settings(max_examples=120)
@given(LISTS | TIERED, PAYMENTS, VALUES)
def test_an_unknown_value_never_allows_what_a_known_one_denies(rules, facts, value):
    if judged(rules, replace(facts, value_units=value)).kind == "denied":
        assert judged(rules, replace(facts, value_units=None)).kind == "denied"


@settings(max_examples=40)
@given(LISTS, PAYMENTS, st.builds(Rule, st.just("new"), st.just("deny"), WHENS))
def test_a_deny_rule_more_allows_nothing_more(rules, facts, new):
    if judged((*rules, new), facts).kind == "allowed":
        assert judged(rules, facts).kind == "allowed"


def test_a_book_is_made_once():
    assert isinstance(BUNDLE, Bundle)
    assert hash(BUNDLE) == hash(replace(BUNDLE, rules=(Rule("r", "deny", When()),)))
    assert replace(BUNDLE, rules=(Rule("r", "deny", When()),)) != BUNDLE

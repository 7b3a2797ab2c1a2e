"""A rehearsal: which verdicts change, with what had left before, as every enforcer counts it."""

from dataclasses import replace
from typing import Any

from strongroom.policy.rehearsal import PastHistory, PastPayment, rehearse
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.facts import Facts
from strongroom_protocol.rules import Over
from tests.factories.house import person
from tests.factories.policies import bundle_of, filled

NOW = 1_795_000_000 // 10_800 * 10_800
"""The first second of a bucket of three hours."""
HOUR = 3600
SUPPLIER = parse_address(person("supplier").address)
LANDLORD = parse_address(person("landlord").address)
PAID = PastPayment(
    "a",
    NOW,
    "ines",
    "USDC/6",
    9_000 * 10**6,
    SUPPLIER,
    None,
    None,
    frozenset({"tara", "udo"}),
    True,
)
FACTS = Facts("ines", "USDC/6", 10**6, SUPPLIER, NOW + 24 * HOUR)


def past(**changes: Any) -> PastPayment:
    return replace(PAID, **changes)


def with_rule(rule: dict[str, Any]) -> Bundle:
    source = filled("middle")
    return bundle_of(source | {"rules": [*source["rules"], {"id": "new", **rule}]})


def run(after: Bundle, *payments: PastPayment, **more: Any) -> list[tuple[str, str, str]]:
    before = bundle_of(filled("middle"))
    found = rehearse(before, after, payments, begins=NOW, now=NOW, **more)
    return [(one.payment.reference, one.before.kind, one.after.kind) for one in found.changed]


def test_what_says_the_same_is_not_told():
    assert run(bundle_of(filled("middle")), past()) == []


def test_a_payment_that_would_be_judged_otherwise_is_told_with_both_sentences():
    after = with_rule({"when": {"to": ["Supplier"]}, "then": "deny"})
    assert run(after, past(), past(reference="b", destination=LANDLORD)) == [
        ("a", "allowed", "denied")
    ]
    (changed,) = rehearse(bundle_of(filled("middle")), after, [past()], begins=NOW, now=NOW).changed
    assert "Rule new denies" in changed.words


def test_more_people_than_before_are_a_change_too():
    after = with_rule({"then": "1 approver of board"})
    assert run(after, past()) == [("a", "allowed", "awaiting_approvals")]
    both = past(approvers=frozenset({"tara", "udo", "olga"}))
    assert run(after, both) == [("a", "allowed", "allowed")], "the demand is new"


def test_what_left_before_the_period_counts_in_its_windows():
    after = with_rule(
        {
            "when": {
                "over": [{"window": "24 hours", "per": "destination", "above": "10,000 USDC"}]
            },
            "then": "deny",
        }
    )
    earlier = past(reference="z", at=NOW - 3 * HOUR)
    assert run(after, earlier, past()) == [("a", "allowed", "denied")]
    assert run(after, past(reference="z", at=NOW - 27 * HOUR - 1), past()) == []
    assert run(after, replace(earlier, left=False), past()) == []
    assert run(after, replace(earlier, destination=LANDLORD), past()) == []


def test_a_window_reaches_back_by_whole_buckets():
    day = Over(86_400, "organisation", count_above=0)
    facts = replace(FACTS, now=NOW + 24 * HOUR)
    first = PastHistory([past(at=NOW)], {})
    assert first.used(day, facts).count == 1
    assert first.used(day, replace(facts, now=NOW + 27 * HOUR - 1)).count == 1
    assert first.used(day, replace(facts, now=NOW + 27 * HOUR)).count == 0


def test_each_window_counts_what_is_its_own():
    other = past(initiator="jon", destination=LANDLORD, asset="ETH/18", wallet=LANDLORD)
    history = PastHistory([past(), other], {"USDC/6": 100})
    per = {
        name: history.used(Over(86_400, name, count_above=0), FACTS)
        for name in ("organisation", "initiator", "source", "destination")
    }
    assert {name: used.count for name, used in per.items()} == {
        "organisation": 2,
        "initiator": 1,
        "source": 1,
        "destination": 1,
    }
    assert per["organisation"].units == 9_000 * 10**6, "of this asset alone"
    assert per["organisation"].value_units is None, "what the other was worth is not known"
    assert per["initiator"].value_units == 9_000 * 100


def test_assumed_rates_decide_the_tiers_and_without_them_the_highest_counts():
    bundle, names = bundle_of(filled("large")), frozenset({"treasury-1", "treasury-2"})
    payment = past(initiator="desk-1", approvers=names, units=20_000 * 10**6)
    stricter = filled("large")
    stricter["rules"][0]["tiers"][0]["up_to"] = "10,000 USD"
    after = bundle_of(stricter)
    known = rehearse(bundle, after, [payment], begins=NOW, now=NOW, prices={"USDC/6": 100})
    assert [(one.before.kind, one.after.kind) for one in known.changed] == [
        ("allowed", "awaiting_approvals")
    ]
    assert "USDC/6" in " ".join(known.assumptions)
    unknown = rehearse(bundle, after, [payment], begins=NOW, now=NOW)
    assert unknown.changed == ()


def test_progress_is_told_and_the_people_are_asked_about():
    told: list[str] = []

    def tell(done: int, of: int, what: str) -> None:
        assert done < of
        told.append(what)

    bundle = bundle_of(filled("small"))
    found = rehearse(bundle, bundle, [], begins=NOW, now=NOW, progress=tell)
    assert {one.what for one in found.powers} == {
        "drain:ETH/18",
        "drain:USDC/6",
        "change_policy",
        "leave",
    }
    assert any("ETH" in one for one in told)
    assert (found.looked_at, found.whole, found.deadlocks) == (0, True, ())

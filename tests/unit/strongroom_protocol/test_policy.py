from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.addresses import Address
from strongroom_protocol.policy import THRESHOLD, Demand, Facts, evaluate
from strongroom_protocol.rules import Group
from tests.unit.strongroom_protocol.organisation import NOW, OTHER_PAYEE, PAYEE, bundle, document

BUNDLE = bundle()
SMALL = Facts("ada", "TUSD/6", 500_000, PAYEE, NOW, 0, frozenset({"ben", "cat"}))
LARGE = replace(SMALL, units=500_001)
IDS = st.frozensets(st.sampled_from(["ada", "eve", "ben", "cat", "dan", "amy", "nobody"]))


def lacking(group, rule=THRESHOLD):
    return (Demand(rule, ((group,),)),)


def test_an_allowed_payment_still_needs_the_vaults_threshold():
    assert evaluate(BUNDLE, SMALL).kind == "allowed"
    waiting = evaluate(BUNDLE, replace(SMALL, approvers=frozenset({"ben"})))
    assert (waiting.kind, waiting.rule_id) == ("awaiting_approvals", "small")
    assert waiting.missing == lacking(Group("approver", None, 1))


def test_a_rules_department_must_be_among_the_approvers():
    waiting = evaluate(BUNDLE, LARGE)
    assert waiting.kind == "awaiting_approvals"
    assert waiting.missing == lacking(Group("approver", "medicine", 1), rule="large")
    assert waiting.sentence == "0.500001 TUSD waits for 1 approver of medicine (rule large)."
    approved = evaluate(BUNDLE, replace(LARGE, approvers=frozenset({"dan", "cat"})))
    assert (approved.kind, approved.rule_id) == ("allowed", "large")


def test_the_initiator_never_counts_as_approver():
    facts = replace(SMALL, initiator="ben", approvers=frozenset({"ben", "cat"}))
    assert evaluate(BUNDLE, facts).missing == lacking(Group("approver", None, 1))


def test_deny_wins_over_allow():
    verdict = evaluate(BUNDLE, replace(SMALL, destination=OTHER_PAYEE))
    assert (verdict.kind, verdict.rule_id) == ("denied", "no-second-payee")
    others = replace(SMALL, destination=OTHER_PAYEE, initiator="ben", approvers=frozenset("x"))
    assert evaluate(BUNDLE, others).kind == "awaiting_approvals"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"asset": "ETH/18", "units": 5}, "default"),
        ({"asset": "EUR/2"}, "assets"),
        ({"asset": "nonsense"}, "assets"),
        ({"initiator": "cat"}, "initiator"),
        ({"initiator": "nobody"}, "initiator"),
        ({"destination": Address(b"\x99" * 20)}, "address_book"),
        ({"units": 1_000_001}, "limits"),
        ({"units": 1_000_000, "spent_units": 1_000_001}, "limits"),
        ({"units": 0}, "units"),
        ({"units": -5}, "units"),
        ({"units": 2**256}, "units"),
        ({"now": BUNDLE.valid_until + 1}, "valid_until"),
    ],
)
def test_what_every_bundle_denies(changes, rule):
    everybody = frozenset({"ben", "cat", "dan", "eve", "ada"})
    verdict = evaluate(BUNDLE, replace(SMALL, approvers=everybody, **changes))
    assert (verdict.kind, verdict.rule_id) == ("denied", rule)
    assert verdict.sentence.endswith((".", "it."))


def test_the_bounds_themselves_are_allowed():
    everybody = frozenset({"ben", "cat", "dan"})
    at_limit = replace(SMALL, units=1_000_000, spent_units=1_000_000, approvers=everybody)
    assert evaluate(BUNDLE, at_limit).kind == "allowed"
    assert evaluate(BUNDLE, replace(at_limit, now=BUNDLE.valid_until)).kind == "allowed"


def test_a_bundle_without_rules_denies():
    assert evaluate(bundle(rules=[]), SMALL).rule_id == "default"


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        ({}, True),
        ({"destinations": "address_book"}, True),
        ({"departments": ["finance"]}, True),
        ({"departments": ["medicine"]}, False),
        ({"initiators": ["ada"]}, True),
        ({"initiators": ["ben"]}, False),
        ({"assets": ["ETH/18"]}, False),
        ({"assets": ["TUSD/6"], "units_above": "499999", "units_at_most": "500000"}, True),
        ({"assets": ["TUSD/6"], "units_above": "500000"}, False),
        ({"assets": ["TUSD/6"], "units_at_most": "499999"}, False),
    ],
)
def test_every_condition_must_hold(when, matches):
    rules = [{"id": "one", "verdict": "allow", "when": when}]
    assert (evaluate(bundle(rules=rules), SMALL).kind == "allowed") is matches


@given(IDS, IDS, st.integers(0, 1_200_000), st.sampled_from(["ada", "ben"]))
def test_more_approvals_never_lose_what_fewer_had(some, more, units, initiator):
    facts = replace(SMALL, approvers=some, units=units, initiator=initiator)
    before = evaluate(BUNDLE, facts)
    after = evaluate(BUNDLE, replace(facts, approvers=some | more))
    if before.kind in {"allowed", "denied"}:
        assert after == before
    if after.kind == "allowed":
        known = {"ben", "cat", "dan"} & (some | more) - {initiator}
        assert len(known) >= document()["vault"]["threshold"]

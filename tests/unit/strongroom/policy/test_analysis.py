"""Who could drain, what can never be approved, which rule says nothing; and who enforces what."""

from dataclasses import fields, replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.policy.compiler import compile_source
from strongroom.policy.context import Context
from strongroom.policy.deadlock import deadlocks
from strongroom.policy.enforcement import ALWAYS, CONDITIONS, against_the_chain, claims
from strongroom.policy.powers import Power, powers, verdict_of
from strongroom.policy.probes import Spendthrift, kind_of, probes_of
from strongroom.policy.validation import check_bundle
from strongroom.policy.words import diff_words, policy_words
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.rules import When
from tests.factories.policies import bundle_of, filled

NOW = 1_795_000_000
DEPARTMENTS = ("board", "treasury")


def drains(bundle: Bundle) -> dict[str, Power]:
    return {one.what: one for one in powers(bundle, NOW)}


def with_rules(*rules: dict[str, Any], name: str = "small", **changes: Any) -> Bundle:
    made = [{"id": f"r{i}", **rule} for i, rule in enumerate(rules)]
    return bundle_of(filled(name) | {"rules": made} | changes)


def findings(bundle: Bundle) -> dict[str, str]:
    return {one.code: one.path for one in check_bundle(bundle, NOW)}


@st.composite
def organisations(draw: st.DrawFn) -> Bundle:
    """Up to seven people with drawn roles and departments, and one or two drawn rules."""
    source = filled("small")
    keys = [one["address"] for one in source["people"]]
    keys += [one["address"] for one in filled("middle")["people"]]
    roles = st.sampled_from(
        [["approver"], ["initiator"], ["approver", "initiator"], ["administrator", "approver"]]
    )
    people: list[dict[str, Any]] = [
        {"id": "admin", "address": keys[0], "roles": ["administrator", "approver", "initiator"]}
    ]
    people += [
        {"id": f"p{i}", "address": keys[i], "roles": draw(roles), "department": draw(place)}
        for i, place in enumerate([st.sampled_from(DEPARTMENTS)] * draw(st.integers(1, 6)), 1)
    ]
    people[0]["department"] = "board"
    owners = [one["id"] for one in people if "approver" in one["roles"] and draw(st.booleans())]
    approvals = ["1 approver", "2 approvers", "1 approver of board", "1 approver of treasury"]
    approvals += ["1 approver of board, then 1 approver of treasury; or 2 approvers"]
    thens = st.sampled_from(["allow", "allow", *approvals])
    whens = st.sampled_from([{}, {"departments": ["board"]}, {"above": "1,000 USDC"}])
    rules = [
        {"id": f"r{i}", "when": draw(whens), "then": draw(thens)}
        for i in range(draw(st.integers(1, 3)))
    ]
    made = filled("small") | {
        "people": people,
        "administrator_quorum": 1,
        "vault": {"owners": owners or ["admin"], "threshold": 1},
        "rules": rules,
    }
    bundle = compile_source(made, Context()).bundle
    # A rule that asks for more people than there are is refused before anybody looks at it.
    return bundle or bundle_of(filled("small"))


@settings(max_examples=60, deadline=None)
@given(organisations())
def test_the_smallest_draining_set_is_that_of_looking_at_every_set(bundle):
    probes = [one for one in _everybodys_probes(bundle) if one.facts.screening == "clear"]
    for token in bundle.tokens:
        found = drains(bundle)[f"drain:{token.asset.code}"].needs
        mine = [one for one in probes if one.facts.asset == token.asset.code]
        size = _by_looking_at_all(bundle, mine)
        assert found.exact
        assert size == (None if found.people is None else len(found.people))


def _everybodys_probes(bundle: Bundle) -> list[Any]:
    """Not one a kind: everybody who may order."""
    people = [one for one in bundle.people if "initiator" in one.roles]
    entries = {entry.address for entry in bundle.address_book}
    probes = probes_of(bundle, NOW, initiators=people).probes
    return [one for one in probes if one.facts.destination in entries]


def _by_looking_at_all(bundle: Bundle, probes: list[Any]) -> int | None:
    ids = [person.id for person in bundle.people]
    for size in range(len(ids) + 1):
        for chosen in map(frozenset, combinations(ids, size)):
            for probe in probes:
                ordered = probe.facts.initiator in chosen
                if ordered and verdict_of(bundle, probe, chosen).kind == "allowed":
                    return size
    return None


def test_more_people_never_take_a_power_away():
    bundle = bundle_of(filled("large"))
    for probe in probes_of(bundle, NOW).probes[::7]:
        few = frozenset(person.id for person in bundle.people[:9])
        all_of_them = frozenset(person.id for person in bundle.people)
        if verdict_of(bundle, probe, few).kind == "allowed":
            assert verdict_of(bundle, probe, all_of_them).kind == "allowed"


def test_a_way_over_a_hot_key_is_found():
    hot = {
        "index": 0,
        "address": "0x000000000000000000000000000000000000bEEF",
        "kind": "hot",
        "threshold": 1,
        "limits": [{"asset": "USDC/6", "per_payment": "100", "per_day": "1,000"}],
    }
    payees = ["Supplier", "Landlord"]
    straight = {"when": {"sources": ["vault"], "to": payees}, "then": "3 approvers"}
    to_key = {"when": {"sources": ["vault"], "to": "own_wallets"}, "then": "allow"}
    from_key = {"when": {"sources": [hot["address"]], "to": "address_book"}, "then": "allow"}
    book = [*filled("small")["address_book"], {"name": "Hot", "address": hot["address"]}]
    closed = with_rules(straight, to_key, spending=[hot], address_book=book)
    opened = with_rules(straight, to_key, from_key, spending=[hot], address_book=book)
    asked = "drain:USDC/6"
    assert len(drains(closed)[asked].needs.people or ()) == 4
    assert len(drains(opened)[asked].needs.people or ()) == 3
    assert "100 USDC" in drains(opened)[asked].words


def test_the_owners_can_leave_whatever_the_rules_say():
    found = drains(bundle_of(filled("large")))["leave"]
    assert len(found.needs.people or ()) == 2
    assert "7 days" in found.words


def test_a_value_that_is_asked_for_bounds_what_is_said():
    words = drains(bundle_of(filled("large")))["drain:USDC/6"].words
    assert "if worth at most 25,000 USD" in words


def test_approvers_who_hold_no_key_of_the_vault_are_a_deadlock():
    source = filled("large")
    source["vault"] = {"owners": [f"treasury-{i}" for i in range(1, 6)], "threshold": 2}
    bundle = bundle_of(source)
    stuck = [one for one in deadlocks(bundle, NOW) if one.without is None]
    assert any("risk" in one.words for one in stuck)
    assert findings(bundle)["policy.deadlock"] == "rules"


@settings(max_examples=40, deadline=None)
@given(organisations())
def test_deadlocks_are_those_of_trying_every_payment_with_everybody(bundle):
    """Stuck as it is, and after anybody has gone: as if each payment had been tried alone."""
    people = [one for one in bundle.people if "initiator" in one.roles]
    cells: dict[Any, list[Any]] = {}
    for probe in probes_of(bundle, NOW, initiators=people).probes:
        cells.setdefault(replace(probe.facts, initiator=""), []).append(probe)
    everybody = frozenset(person.id for person in bundle.people)

    def allowed(cell: list[Any], there: frozenset[str]) -> bool:
        return any(
            probe.facts.initiator in there and verdict_of(bundle, probe, there).kind == "allowed"
            for probe in cell
        )

    found = deadlocks(bundle, NOW)
    lost = {one.without for one in found if one.what in ("payments", "order")}
    waiting = [
        cell
        for cell in cells.values()
        if not allowed(cell, everybody)
        and any(verdict_of(bundle, one, everybody).kind != "denied" for one in cell)
    ]
    assert (None in lost) == bool(waiting)
    alive = [cell for cell in cells.values() if allowed(cell, everybody)]
    needed = {
        one.id
        for one in bundle.people
        if not all(allowed(cell, everybody - {one.id}) for cell in alive)
    }
    kinds = {one.id: kind_of(bundle, one) for one in bundle.people}
    told = {kinds[one] for one in lost if one is not None}
    assert told == {kinds[one] for one in needed}


def test_what_one_person_leaving_makes_impossible_is_said_for_that_person():
    found = deadlocks(with_rules({"then": "3 approvers"}), NOW)
    assert {one.without for one in found} == {"anna", "cleo"}, "ben is as anna is"
    assert all(one.what == "payments" for one in found)
    tight = deadlocks(with_rules({"then": "2 approvers"}, administrator_quorum=3), NOW)
    assert ("policy", "cleo") in {(one.what, one.without) for one in tight}
    people = [one for one in filled("small")["people"] if one["id"] != "evan"]
    alone = deadlocks(with_rules({"then": "2 approvers"}, people=people), NOW)
    assert ("order", "dana") in {(one.what, one.without) for one in alone}
    held = filled("small") | {"vault": {"owners": ["anna", "ben"], "threshold": 2}}
    assert ("vault", "anna") in {(one.what, one.without) for one in deadlocks(bundle_of(held), NOW)}


CONTRADICTIONS: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "a denial over everything": (
        [{"then": "deny"}, {"then": "2 approvers"}],
        "policy.rule_contradicted",
        "rules.r1",
    ),
    "a denial just above": (
        [
            {"when": {"above": "100 USDC"}, "then": "deny"},
            {"when": {"above": "200 USDC"}, "then": "2 approvers"},
            {"then": "2 approvers"},
        ],
        "policy.rule_contradicted",
        "rules.r1",
    ),
    "more than the limits allow": (
        [{"when": {"above": "25,000 USDC"}, "then": "2 approvers"}, {"then": "2 approvers"}],
        "policy.rule_unreachable",
        "rules.r0",
    ),
    "an initiator who is none": (
        [{"when": {"initiators": ["anna"]}, "then": "2 approvers"}, {"then": "2 approvers"}],
        "policy.rule_unreachable",
        "rules.r0",
    ),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_rule_that_never_counts_is_found(what):
    rules, code, path = CONTRADICTIONS[what]
    assert findings(with_rules(*rules)).get(code) == path


def test_a_denial_that_begins_one_unit_higher_contradicts_nothing():
    rules: list[dict[str, Any]] = [
        {"when": {"above": "200.000001 USDC"}, "then": "deny"},
        {"when": {"above": "200 USDC"}, "then": "2 approvers"},
        {"then": "2 approvers"},
    ]
    assert "policy.rule_contradicted" not in findings(with_rules(*rules))


def test_a_policy_without_rules_is_for_deposits_only():
    assert set(findings(with_rules())) == {"policy.deposits_only"}


def test_one_person_who_is_enough_is_told():
    alone = with_rules({"then": "allow"}, vault={"owners": ["anna", "ben"], "threshold": 1})
    assert findings(alone)["policy.one_person"] == "leave"


def test_every_condition_of_the_rule_language_stands_in_the_table():
    assert set(CONDITIONS) == {field.name for field in fields(When)}
    assert all(row.chain is not None or row.because for row in {**ALWAYS, **CONDITIONS}.values())


def test_claims_speak_of_what_the_policy_uses_and_of_nothing_else():
    small = {(one.name, one.where): one.enforced for one in claims(bundle_of(filled("small")))}
    assert ("value_above", "signer") not in small
    assert small["hours", "signer"]
    assert not small["hours", "chain"]
    assert small["per_day", "chain"]
    assert not small["per_payment", "chain"]
    assert ("order_of_groups", "api") not in small
    large = {(one.name, one.where): one.enforced for one in claims(bundle_of(filled("large")))}
    assert large["value_above", "signer"]
    assert not large["order_of_groups", "signer"]


def test_the_chain_is_said_to_be_looser_or_tighter_where_it_is():
    first = bundle_of(filled("small"))
    words = " ".join(against_the_chain(first, NOW))
    assert "ETH: the rules let 5 ETH go in one payment at most; the chain is looser" in words
    source = filled("small")
    source["assets"][0] |= {"per_day": "20"}
    source["assets"][1] |= {"per_day": "30,000"}
    euro = {"asset": "EURC/6", "contract": "0x000000000000000000000000000000000000bEEF"}
    source["assets"].append(euro | {"per_payment": "1", "per_day": "1"})
    later = replace(bundle_of(source), vault=first.vault)
    words = " ".join(against_the_chain(later, NOW))
    assert "10 ETH a day; until its guard has been brought to 20 ETH, the chain is tighter" in words
    assert "has been brought to 30,000 USDC, the chain is looser" in words
    assert "EURC: the vault was made without it" in words


def test_history_beyond_every_bound_makes_the_rules_over_time_match():
    bundle = bundle_of(filled("middle"))
    busy = [one for one in probes_of(bundle, NOW).probes if one.busy]
    assert busy
    assert isinstance(busy[0].facts.history, Spendthrift)


def test_a_policy_reads_in_words_and_a_change_of_it_too():
    before = bundle_of(filled("middle"))
    lines = [line for section in policy_words(before) for line in section.lines]
    assert (
        "dollars/2: payments of USDC to the address book more than 10,000 USDC and at most "
        "100,000 USDC need 2 approvers of treasury, then 1 approver of board."
    ) in lines
    assert diff_words(before, before) == []
    source = filled("middle")
    source["people"] = source["people"][1:]
    source["people"][0]["roles"] = ["approver"]
    source["administrator_quorum"] = 1
    source["vault"]["owners"] = source["vault"]["owners"][1:]
    source["rules"] = source["rules"][1:]
    source["address_book"] = source["address_book"][:1]
    after = bundle_of(source)
    changes = {section.title: " ".join(section.lines) for section in diff_words(before, after)}
    assert "Gone: dollars/1" in changes["Rules"]
    assert "Olga is no longer there." in changes["People"]
    assert "Pete is now approver; was administrator, approver." in changes["People"]
    assert "New: This policy is changed by 1 of 1" in changes["People"]
    assert "Gone: Landlord" in changes["Address book"]

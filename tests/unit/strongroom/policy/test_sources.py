"""From what people write to what is signed: templates, amounts, approvals, groups, and refusals."""

from typing import Any

import pytest

from strongroom.kit.errors import StrongroomError
from strongroom.policy.context import Context
from strongroom.policy.reading import read_approvals, read_money, read_window
from strongroom.policy.sources import TEMPLATES, blanks, template
from strongroom.policy.validation import check_bundle
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.amounts import Asset
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.errors import ProtocolError
from tests.factories.house import person
from tests.factories.policies import TOKEN, bundle_of, compiled, filled

NOW = 1_795_000_000
USDC = {"USDC": Asset("USDC/6"), "USDC/6": Asset("USDC/6")}


def codes(source: dict[str, Any], **context: Any) -> list[tuple[str, str]]:
    return [(one.code, one.path) for one in compiled(source, **context).findings]


def findings(bundle: Bundle) -> list[str]:
    return [one.code for one in check_bundle(bundle, NOW)]


def with_rule(name: str = "small", **rule: Any) -> dict[str, Any]:
    source = filled(name)
    return source | {"rules": [*source["rules"], {"id": "more", **rule}]}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_filled_in_has_nothing_wrong_and_outlives_any_one_person(name):
    made = compiled(filled(name))
    assert made.findings == ()
    assert made.bundle is not None
    assert findings(made.bundle) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_as_it_is_names_each_blank(name):
    found = codes(template(name))
    assert {code for code, _ in found} == {"policy.blank"}
    assert [path for _, path in found] == [path for path, _ in blanks(template(name))]


def test_amounts_read_as_people_write_them():
    assert read_money("1,000.50 USDC", USDC, None).amount.units == 1_000_500_000
    assert read_money("1000 USDC/6", USDC, None).amount.units == 10**9
    value = read_money("250,000 USD", USDC, Asset("USD/2"))
    assert (value.amount.units, value.is_value) == (25_000_000, True)
    for wrong in ("1,00 USDC", "1000", "1000 EUR", "-1 USDC", "1e3 USDC", "0.0000001 USDC", 5):
        with pytest.raises((StrongroomError, ProtocolError)):
            read_money(wrong, USDC, None)


def test_approvals_read_as_they_are_said():
    text = "2 approvers of finance, then 1 approver; or 2 administrators"
    assert read_approvals(text) == [
        [
            {"role": "approver", "department": "finance", "minimum": 2},
            {"role": "approver", "department": None, "minimum": 1},
        ],
        [{"role": "administrator", "department": None, "minimum": 2}],
    ]
    for wrong in ("", "0 approvers", "somebody", "2 kings", "2 approvers of ", None):
        with pytest.raises(StrongroomError):
            read_approvals(wrong)


def test_a_window_is_positive():
    assert (read_window("24 hours"), read_window("7 days")) == (86_400, 7 * 86_400)
    for wrong in ("-3 hours", "0 hours", "3 weeks", 3):
        with pytest.raises(StrongroomError):
            read_window(wrong)


def test_tiers_become_rules_that_meet_without_gap_or_overlap():
    rules = {rule.id: rule for rule in bundle_of(filled("middle")).rules}
    first, second, third = (rules[f"dollars/{i}"].when for i in (1, 2, 3))
    assert (first.units_above, first.units_at_most) == (None, 10_000 * 10**6)
    assert (second.units_above, second.units_at_most) == (10_000 * 10**6, 100_000 * 10**6)
    assert (third.units_above, third.units_at_most) == (100_000 * 10**6, None)


def test_groups_of_groups_become_addresses():
    rule: dict[str, Any] = {"when": {"to": ["@payees"]}, "then": "2 approvers"}
    source = with_rule("small", **rule) | {
        "groups": {"payees": ["@homes", "Supplier"], "homes": ["Landlord"]}
    }
    found = bundle_of(source).rules[-1].when.destinations
    assert found == tuple(
        sorted(parse_address(person(one).address) for one in ("supplier", "landlord"))
    )


def often(window: str) -> dict[str, Any]:
    return {"over": [{"window": window, "per": "source", "count_above": 3}]}


PEOPLE = filled("small")["people"]
KEYS = [one["address"] for one in PEOPLE]
BACK = [
    {"up_to": "9 USDC", "then": "deny"},
    {"up_to": "8 USDC", "then": "allow"},
    {"then": "deny"},
]
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "cyclic groups": (
        with_rule(when={"to": ["@a"]}, then="deny") | {"groups": {"a": ["@b"], "b": ["@a"]}},
        "policy.groups_cyclic",
    ),
    "a group of itself": (
        with_rule(when={"to": ["@a"]}, then="deny") | {"groups": {"a": ["@a"]}},
        "policy.groups_cyclic",
    ),
    "an unknown group": (with_rule(when={"to": ["@x"]}, then="deny"), "policy.group_unknown"),
    "an unknown entry": (with_rule(when={"to": ["Nobody"]}, then="deny"), "policy.entry_unknown"),
    "an unknown tag": (with_rule(when={"tags": ["x"]}, then="deny"), "policy.tag_unknown"),
    "an unknown person": (
        with_rule(when={"initiators": ["x"]}, then="deny"),
        "policy.person_unknown",
    ),
    "an unknown department": (
        with_rule(when={"departments": ["x"]}, then="deny"),
        "policy.department_unknown",
    ),
    "approvers of no department": (
        with_rule(then="1 approver of nowhere"),
        "policy.department_unknown",
    ),
    "a negative window": (
        with_rule(when=often("-3 hours"), then="deny"),
        "policy.window_wrong",
    ),
    "a window of one hour": (
        with_rule(when=often("1 hour"), then="deny"),
        "protocol.field_invalid",
    ),
    "an amount beyond 2^256": (
        with_rule(when={"above": f"{2**256} USDC"}, then="deny"),
        "amount.too_large",
    ),
    "a negative amount": (with_rule(when={"above": "-1 USDC"}, then="deny"), "amount.negative"),
    "tiers that go back": (
        with_rule(tiers=BACK),
        "policy.source_invalid",
    ),
    "an unknown condition": (
        with_rule(when={"moon": "full"}, then="deny"),
        "policy.source_invalid",
    ),
    "more approvers than there are": (with_rule(then="4 approvers"), "protocol.field_invalid"),
    "values without rates": (
        with_rule(when={"above": "5 USD"}, then="deny"),
        "policy.source_invalid",
    ),
    "an owner who is not there": (
        filled("small") | {"vault": {"owners": ["anna", "zoe"], "threshold": 2}},
        "policy.person_unknown",
    ),
    "an owner without a key": (
        filled("large") | {"vault": {"owners": ["board-1", "audit"], "threshold": 2}},
        "policy.key_missing",
    ),
    "a threshold above the owners": (
        filled("small") | {"vault": {"owners": ["anna", "ben"], "threshold": 3}},
        "policy.threshold_deadlock",
    ),
    "a quorum above the administrators": (
        filled("small") | {"administrator_quorum": 4},
        "policy.threshold_deadlock",
    ),
    "a token as a destination": (
        filled("small") | {"address_book": [{"name": "Token", "address": TOKEN}]},
        "policy.guard_destination_wrong",
    ),
    "two entries of one name": (
        filled("small", address_book=[{"name": "A", "address": one} for one in KEYS[:2]]),
        "policy.name_taken",
    ),
    "two people with one key": (
        filled("small", people=[*PEOPLE, PEOPLE[0] | {"id": "two"}]),
        "protocol.field_invalid",
    ),
    "no object": (filled("small") | {"people": ["anna"]}, "policy.source_invalid"),
    "an unknown member": (filled("small") | {"loophole": True}, "policy.source_invalid"),
    "a missing member": (
        {name: part for name, part in filled("small").items() if name != "fees"},
        "policy.source_invalid",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_found_under_its_own_code(what):
    source, code = WRONG[what]
    made = compiled(source)
    assert made.bundle is None
    assert code in [one.code for one in made.findings], made.findings


def test_a_limit_that_the_guard_cannot_keep_is_found():
    source = filled("small")
    source["assets"][0] |= {"per_day": str(2**128 // 10**18 + 1)}
    assert ("policy.guard_limit_overflow", "assets.ETH/18.per_day") in codes(source)


def test_the_vault_is_no_destination_of_its_own():
    own = frozenset({parse_address(person("supplier").address)})
    assert ("policy.guard_destination_wrong", "address_book.Supplier") in codes(
        filled("small"), own=own
    )


def test_a_later_version_repeats_what_the_vault_was_made_with_and_says_what_it_becomes():
    first = bundle_of(filled("small"))
    context: dict[str, Any] = {"active": first, "version": 2, "previous": b"\1" * 32}
    same = bundle_of(filled("small"), **context)
    assert (same.vault, same.controls) == (first.vault, None)
    changed = filled("small", vault={"owners": ["anna", "ben"], "threshold": 2})
    assert ("policy.guard_untold", "vault.guard") in codes(changed, **context)
    guard = parse_address(person("guard").address)
    later = bundle_of(changed, **context, guard=guard)
    assert later.vault == first.vault
    assert (len(later.control.owners), later.control.guard) == (2, guard)
    back = bundle_of(filled("small"), active=later, version=3, previous=b"\2" * 32)
    assert len(back.control.owners) == 3


def test_the_same_source_makes_the_same_bytes():
    assert bundle_of(filled("large")) == bundle_of(filled("large"))
    assert Context().organisation == bytes(32)

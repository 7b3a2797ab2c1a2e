"""How a rule reads, and that each wrong thing is refused at its own place."""

import re
from typing import Any

import pytest

from strongroom_protocol.addresses import checksum
from strongroom_protocol.authority import parse_bundle
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.rules import Group, Over, parse_rule, rule_document
from tests.unit.strongroom_protocol.organisation import DAN, NOW, OTHER_PAYEE, PAYEE, document

HOURS = {
    "zone": "Europe/Berlin",
    "days": ["mon", "fri"],
    "from": "08:00",
    "until": "18:30",
    "outside": True,
}
DAY = {"window_seconds": 86_400, "per": "initiator"}
MEDICINE = {"role": "approver", "department": "medicine", "minimum": 1}
ANY = {"role": "approver", "department": None, "minimum": 1}
WHEN: dict[str, Any] = {
    "initiators": ["ada"],
    "departments": ["finance"],
    "sources": ["vault"],
    "destinations": "address_book",
    "tags": ["exchange"],
    "assets": ["TUSD/6"],
    "units_above": "5",
    "units_at_most": "9",
    "value_above": "100",
    "value_at_most": "200",
    "over": [DAY | {"count_above": 3}, DAY | {"units_above": "7"}, DAY | {"value_above": "8"}],
    "hours": HOURS,
    "screening": ["clear", "review"],
}
RULE: dict[str, Any] = {
    "id": "all",
    "verdict": "approvals",
    "when": WHEN,
    "approvals": [[MEDICINE, ANY], [ANY]],
}
RATES: dict[str, Any] = {
    "currency": "USD/2",
    "sources": [{"name": "a", "key": "0x" + "11" * 32}, {"name": "b", "key": "0x" + "12" * 32}],
    "age_seconds": 600,
    "deviation_bps": 100,
}
BOOK: list[dict[str, Any]] = [
    {"address": checksum(PAYEE), "label": "a payee", "tags": ["exchange", "own"], "owner": "Bank"},
    {"address": checksum(OTHER_PAYEE), "label": "a payee"},
]
DEPUTY = {"person": "dan", "deputy": "amy", "from": NOW, "until": NOW + 10}
AMY = {
    "id": "amy",
    "name": "Amy",
    "address": checksum(b"\xaa" * 20),
    "roles": ["auditor"],
    "department": None,
}
MEMBERS: dict[str, Any] = {
    "people": [*document()["people"][:-1], AMY],
    "address_book": BOOK,
    "rates": RATES,
    "deputies": [DEPUTY],
    "rules": [RULE],
}


def test_what_is_read_is_written_again():
    assert rule_document(parse_rule(RULE, "rule")) == RULE
    rule = parse_rule(RULE, "rule")
    assert rule.approvals == (
        (Group("approver", "medicine", 1), Group("approver", None, 1)),
        (Group("approver", None, 1),),
    )
    assert rule.when.over[0] == Over(86_400, "initiator", count_above=3)
    whole = document(**MEMBERS)
    assert parse_bundle(whole).document() == whole


def test_a_list_of_places_and_of_wallets_reads_back():
    when = {"destinations": [checksum(PAYEE)], "sources": ["vault", checksum(DAN.address)]}
    rule = {"id": "x", "verdict": "deny", "when": when}
    assert rule_document(parse_rule(rule, "rule")) == rule
    own = {"id": "x", "verdict": "allow", "when": {"destinations": "own_wallets"}}
    assert rule_document(parse_rule(own, "rule")) == own


def _over(**changes):
    return {"over": [{**DAY, "count_above": 3, **changes}]}


def _without(document, name):
    return {key: value for key, value in document.items() if key != name}


@pytest.mark.parametrize(
    ("when", "path"),
    [
        ({"places": []}, "when: unknown places"),
        (_over(window_seconds=-10_800), "when.over[0].window_seconds"),
        (_over(window_seconds=0), "when.over[0].window_seconds"),
        (_over(window_seconds=10_801), "when.over[0].window_seconds"),
        (_over(window_seconds=32 * 86_400), "when.over[0].window_seconds"),
        (_over(window_seconds="86400"), "when.over[0].window_seconds"),
        (_over(per="world"), "when.over[0].per"),
        (_over(count_above=-1), "when.over[0].count_above"),
        (_over(value_above="1"), "when.over[0]: must have one of"),
        ({"over": [DAY]}, "when.over[0]: must have one of"),
        ({"over": []}, "when.over"),
        ({"over": [DAY | {"count_above": 3}] * 2}, "when.over"),
        ({"over": [DAY | {"units_above": "3"}]}, "when.assets"),
        ({"over": [DAY | {"value_above": str(2**256)}]}, "when.over[0].value_above"),
        ({"value_above": str(2**256)}, "when.value_above"),
        ({"value_above": "-1"}, "when.value_above"),
        ({"value_above": 5}, "when.value_above"),
        ({"value_above": "9", "value_at_most": "9"}, "when.value_above"),
        (
            {"assets": ["ETH/18"], "units_above": "9", "units_at_most": "8"},
            "when.units_above",
        ),
        ({"assets": ["ETH/18"], "units_at_most": str(2**256)}, "when.units_at_most"),
        ({"sources": []}, "when.sources"),
        ({"sources": ["hot"]}, "when.sources[0]"),
        ({"sources": ["vault", "vault"]}, "when.sources"),
        ({"destinations": "everywhere"}, "when.destinations"),
        ({"destinations": []}, "when.destinations"),
        ({"tags": []}, "when.tags"),
        ({"tags": ["a\u202eb"]}, "when.tags[0]"),
        ({"screening": ["fine"]}, "when.screening[0]"),
        ({"screening": []}, "when.screening"),
        ({"hours": _without(HOURS, "outside")}, "when.hours"),
        ({"hours": HOURS | {"days": []}}, "when.hours.days"),
        ({"hours": HOURS | {"days": ["mon", "mon"]}}, "when.hours.days"),
        ({"hours": HOURS | {"days": ["Montag"]}}, "when.hours.days[0]"),
        ({"hours": HOURS | {"zone": "Mars/Olympus"}}, "when.hours.zone"),
        ({"hours": HOURS | {"zone": "localtime"}}, "when.hours.zone"),
        ({"hours": HOURS | {"zone": "../../etc/passwd"}}, "when.hours.zone"),
        ({"hours": HOURS | {"zone": "Europe"}}, "when.hours.zone"),
        ({"hours": HOURS | {"from": "18:30"}}, "when.hours.until"),
        ({"hours": HOURS | {"from": "19:00"}}, "when.hours.until"),
        ({"hours": HOURS | {"until": "24:01"}}, "when.hours.until"),
        ({"hours": HOURS | {"until": "8 pm"}}, "when.hours.until"),
        ({"hours": HOURS | {"outside": 1}}, "when.hours.outside"),
    ],
)
def test_a_wrong_condition_is_refused_at_its_place(when, path):
    with pytest.raises(ProtocolError, match=re.escape(path)):
        parse_rule({"id": "r", "verdict": "deny", "when": when}, "rule")


@pytest.mark.parametrize(
    ("approvals", "path"),
    [
        ([], "approvals"),
        ([[]], "approvals[0]"),
        ([ANY], "approvals[0]"),
        ([[ANY] * 7], "approvals[0]"),
        ([[ANY]] * 9, "approvals"),
        ([[ANY | {"minimum": 0}]], "approvals[0][0].minimum"),
        ([[ANY | {"minimum": 101}]], "approvals[0][0].minimum"),
        ([[ANY | {"minimum": 51}, ANY | {"minimum": 50}]], "approvals[0]"),
        ([[ANY | {"role": "auditor"}]], "approvals[0][0].role"),
    ],
)
def test_a_wrong_path_is_refused_at_its_place(approvals, path):
    with pytest.raises(ProtocolError, match=re.escape(path)):
        parse_rule({"id": "r", "verdict": "approvals", "when": {}, "approvals": approvals}, "r")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"rules": [RULE | {"when": {"tags": ["casino"]}}]}, "bundle.rules[0].when.tags"),
        ({"rules": [RULE | {"when": {"sources": [checksum(PAYEE)]}}]}, "rules[0].when.sources"),
        ({"rates": None}, "bundle.rates"),
        ({"rules": [RULE | {"approvals": [[ANY], [MEDICINE | {"minimum": 2}]]}]}, "approvals[1]"),
        ({"rules": [RULE | {"approvals": [[MEDICINE, MEDICINE]]}]}, "rules[0].approvals[0]"),
        # Ada administers, but whoever is no approver never signs for a payment.
        (
            {"rules": [RULE | {"approvals": [[ANY | {"role": "administrator"}]]}]},
            "rules[0].approvals[0]",
        ),
        ({"deputies": []}, "bundle.deputies"),
        ({"deputies": [DEPUTY | {"deputy": "dan"}]}, "bundle.deputies[0].deputy"),
        ({"deputies": [DEPUTY | {"person": "nobody"}]}, "bundle.deputies[0]"),
        ({"deputies": [DEPUTY | {"until": NOW}]}, "bundle.deputies[0].until"),
        ({"deputies": [DEPUTY | {"from": -1}]}, "bundle.deputies[0].from"),
        ({"deputies": [DEPUTY, DEPUTY | {"deputy": "ben"}]}, "bundle.deputies[1].from"),
        ({"people": document()["people"]}, "bundle.deputies[0].deputy"),
        ({"address_book": [BOOK[0] | {"tags": ["b", "a"]}, BOOK[1]]}, "address_book[0].tags"),
        ({"address_book": [BOOK[0] | {"tags": []}, BOOK[1]]}, "address_book[0].tags"),
        ({"address_book": [BOOK[0] | {"owner": ""}, BOOK[1]]}, "address_book[0].owner"),
        ({"rates": RATES | {"sources": RATES["sources"][:1]}}, "bundle.rates.sources"),
        ({"rates": RATES | {"sources": [RATES["sources"][0]] * 2}}, "bundle.rates.sources"),
        ({"rates": RATES | {"age_seconds": 0}}, "bundle.rates.age_seconds"),
        ({"rates": RATES | {"deviation_bps": 10_001}}, "bundle.rates.deviation_bps"),
        ({"rates": RATES | {"currency": "dollars"}}, "dollars"),
    ],
)
def test_what_a_bundle_lacks_is_refused_at_its_place(changes, path):
    with pytest.raises(ProtocolError, match=re.escape(path)):
        parse_bundle(document(**{**MEMBERS, **changes}))


def test_a_value_needs_rates():
    with pytest.raises(ProtocolError, match=r"rules\[0\]\.when: asks what a payment is worth"):
        parse_bundle(_without(document(**MEMBERS), "rates"))

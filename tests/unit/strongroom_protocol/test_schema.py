"""The published schema says nothing that the parser does not, and everything that a schema can."""

import copy
import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from strongroom_protocol.addresses import checksum
from strongroom_protocol.authority import parse_bundle
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.rules import parse_rule, rule_document
from tests.unit.strongroom_protocol.organisation import document
from tests.unit.strongroom_protocol.test_mandates import MEMBERS as MANDATES
from tests.unit.strongroom_protocol.test_rules import MEMBERS
from tests.unit.strongroom_protocol.test_verdicts import LISTS

SCHEMA = json.loads(files("strongroom_protocol").joinpath("policy.schema.json").read_text())
BUNDLES = Draft202012Validator(SCHEMA)
RULES = Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": "#/$defs/rule"})
WHOLE: Any = document(**{**MEMBERS, **MANDATES})


def parses(read, *arguments):
    try:
        read(*arguments)
    except ProtocolError:
        return False
    return True


def nodes(value, path=()):
    """The paths of everything within a document."""
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from nodes(value[name], (*path, name))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from nodes(item, (*path, i))


def changed(value, path, change):
    """A copy in which `change(parent, last)` was made at the path."""
    found = copy.deepcopy(value)
    parent = found
    for step in path[:-1]:
        parent = parent[step]
    change(parent, path[-1])
    return found


def put(new):
    def change(parent, last):
        parent[last] = new

    return change


def take(parent, last):
    del parent[last]


PATHS = [path for path in nodes(WHOLE) if path]
OBJECTS = [path for path in PATHS if isinstance(path[-1], str)]


def test_the_schema_is_one_and_a_whole_bundle_fits():
    Draft202012Validator.check_schema(SCHEMA)
    assert list(BUNDLES.iter_errors(WHOLE)) == []
    assert parses(parse_bundle, WHOLE)


def test_it_knows_every_member_of_the_parsers():
    named = set(SCHEMA["properties"]) | set(SCHEMA["$defs"]["when"]["properties"])
    assert {path[0] for path in PATHS} <= set(SCHEMA["properties"])
    assert set(MEMBERS["rules"][0]["when"]) == set(SCHEMA["$defs"]["when"]["properties"])
    assert "controls" in named


@settings(max_examples=100)
@given(LISTS)
def test_a_rule_that_can_be_written_fits(rules):
    for rule in rules:
        shown = rule_document(rule)
        assert list(RULES.iter_errors(shown)) == []
        assert parse_rule(shown, "rule") == rule


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_another_type_is_refused_by_both(path):
    for wrong in ({"odd": 1}, True, -1):
        if path[-1] in ("outside", "sweep") and wrong is True:
            continue
        shown = changed(WHOLE, path, put(wrong))
        assert not BUNDLES.is_valid(shown), wrong
        assert not parses(parse_bundle, shown), wrong


@pytest.mark.parametrize("path", OBJECTS, ids=str)
def test_an_unknown_member_is_refused_by_both(path):
    shown = changed(WHOLE, path, lambda parent, _: parent.update(unknown=1))
    assert not BUNDLES.is_valid(shown)
    assert not parses(parse_bundle, shown)


DAY = {"window_seconds": 86_400, "per": "initiator", "count_above": 1}
HOURS = MEMBERS["rules"][0]["when"]["hours"]


@pytest.mark.parametrize(
    "when",
    [
        {"over": [DAY | {"window_seconds": 10_801}]},
        {"over": [DAY | {"window_seconds": -10_800}]},
        {"over": [DAY | {"window_seconds": 32 * 86_400}]},
        {"over": [DAY | {"units_above": "1"}]},
        {"over": [DAY, DAY]},
        {"value_above": "01"},
        {"value_above": "1" * 79},
        {"hours": HOURS | {"days": []}},
        {"hours": HOURS | {"from": "8:00"}},
        {"hours": HOURS | {"zone": "localtime"}},
        {"destinations": "everywhere"},
        {"screening": ["fine"]},
    ],
)
def test_a_wrong_condition_is_refused_by_both(when):
    rule = {"id": "r", "verdict": "deny", "when": when}
    assert not RULES.is_valid(rule)
    assert not parses(parse_rule, rule, "rule")


TEXTS = ["", "vault", "any", "allow", "approvals", "0", "-1", "1" * 79, "x" * 201, "24:00", "24:01"]
TEXTS += ["UTC", "Europe", "USD/2", "usd", checksum(b"\7" * 20), "0x" + "ab" * 32]
NUMBERS = [0, 1, 7, 10_800, 10_801, 2**53, 2**53 - 1]
ODD: Any = st.sampled_from([*TEXTS, *NUMBERS, True, False, None, [], [[]], {}])


@settings(max_examples=400)
@given(st.sampled_from(PATHS), ODD, st.booleans())
def test_what_the_parser_takes_the_schema_takes(path, odd, taken_away):
    """So what the schema refuses, the parser refuses; beyond that the parser has the last word."""
    shown = changed(WHOLE, path, take if taken_away else put(odd))
    if parses(parse_bundle, shown):
        assert list(BUNDLES.iter_errors(shown)) == []

"""The strictest of all rules that fit a deposit counts; nobody's rule makes another's weaker."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from strongroom.deposits.terms import Kind, Level, Rule, terms
from strongroom.kit.ids import HOUSE

ONE, TWO = UUID(int=1), UUID(int=2)
ETH, TUSD = "ETH/18", "TUSD/6"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rule(
    of: UUID = HOUSE,
    confirmations: int = 0,
    *,
    level: Level = "confirmed",
    asset: str | None = None,
    units: int = 0,
    chain: int | None = None,
    kind: Kind = "confirmation",
    ended: datetime | None = None,
) -> Rule:
    return Rule(
        of, UUID(int=9), kind, chain, asset, units, confirmations, level, NOW, "x:y", ended, None
    )


def asked(*rules: Rule, units: int = 5, asset: str = ETH, chain: int = 1) -> tuple[int, str, int]:
    found = terms(rules, ONE, chain, asset, units)
    return found.confirmations, found.level, found.dust_units


def test_without_rules_nothing_more_is_awaited():
    assert asked() == (0, "confirmed", 0)
    assert terms([], ONE, 1, ETH, 5).why == ""


def test_an_organisations_rule_is_never_weaker_than_the_houses():
    house = rule(confirmations=12, level="safe")
    assert asked(house, rule(ONE, confirmations=2)) == (12, "safe", 0)
    assert asked(house, rule(ONE, confirmations=2, level="final")) == (12, "final", 0)
    assert asked(house, rule(ONE, confirmations=40)) == (40, "safe", 0)


def test_a_larger_amount_never_waits_less():
    rules = [rule(ONE, 3), rule(ONE, 1, asset=ETH, units=10), rule(ONE, 9, asset=ETH, units=100)]
    depths = [asked(*rules, units=units)[0] for units in (1, 10, 99, 100, 10**6)]
    assert depths == [3, 3, 3, 9, 9]


@pytest.mark.parametrize(
    "other",
    [
        rule(TWO, 50),
        rule(ONE, 50, asset=TUSD),
        rule(ONE, 50, chain=2),
        rule(ONE, 50, asset=ETH, units=6),
        rule(ONE, 50, ended=NOW),
    ],
)
def test_a_rule_for_something_else_does_not_count(other: Rule):
    assert asked(other, rule(ONE, 2)) == (2, "confirmed", 0)


def test_dust_is_what_the_house_or_the_organisation_calls_so_whichever_is_more():
    house = rule(kind="dust", asset=ETH, units=7)
    own = rule(ONE, kind="dust", asset=ETH, units=3)
    assert asked(house, own)[2] == 7
    assert asked(own)[2] == 3
    assert asked(house, asset=TUSD)[2] == 0


def test_people_are_told_what_is_awaited_and_by_whose_rule():
    rules = [rule(confirmations=12), rule(ONE, level="final", asset=TUSD, units=1_500_000)]
    assert terms(rules, ONE, 1, TUSD, 2_000_000).why == (
        "Its credit waits for 12 blocks (the house's rule for every asset) and for its block to be "
        "final (your rule for TUSD/6 from 1.5)."
    )


@pytest.mark.parametrize(
    ("level", "depth", "is_safe", "is_final", "met"),
    [
        ("confirmed", 2, False, False, False),
        ("confirmed", 3, False, False, True),
        ("safe", 3, False, False, False),
        ("safe", 3, True, False, True),
        ("safe", 3, False, True, True),
        ("final", 9, True, False, False),
        ("final", 3, True, True, True),
        ("final", 2, True, True, False),
    ],
)
def test_terms_are_met_by_depth_and_level_together(
    level: Level, depth: int, is_safe: bool, is_final: bool, met: bool
):
    found = terms([rule(confirmations=3, level=level)], ONE, 1, ETH, 5)
    assert found.are_met(depth, is_safe=is_safe, is_final=is_final) is met

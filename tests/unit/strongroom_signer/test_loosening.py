"""Only what is plainly tighter acts at once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from strongroom_protocol.addresses import Address
from strongroom_protocol.amounts import Asset
from strongroom_protocol.bundle import (
    Account,
    Bundle,
    Destination,
    FiatSource,
    GasMandate,
    Limit,
    Person,
    Spending,
    Token,
    Vault,
)
from strongroom_protocol.deputies import Deputy
from strongroom_protocol.rates import Rates
from strongroom_protocol.rules import Group, Over, Rule, When
from strongroom_signer.authority.loosening import is_tightening

ETH = Asset("ETH/18")
ANA = Person("ana", "Ana", Address(b"\x01" * 20), ("administrator",), None)
BEN = Person("ben", "Ben", Address(b"\x02" * 20), ("approver",), None)
PLACE = Destination(Address(b"\x03" * 20), "place")
OTHER = Destination(Address(b"\x04" * 20), "other")
OWNERS = tuple(Address(bytes([one]) * 20) for one in (1, 2, 7))
OVER = Over(86_400, "initiator", count_above=5)
PAY = Rule("pay", "allow", When(assets=("ETH/18",), units_at_most=8))
DENY = Rule("no", "deny", When())
LARGE = Rule("large", "approvals", When(), ((Group("approver", None, 2),),))
ASK = Rule("ask", "approvals", When(), ((Group("approver", None, 1),),))
VAULT = Vault(bytes(32), OWNERS, 2, Address(b"\x06" * 20), (), (), (ANA.address or OTHER.address,))
ACTIVE = Bundle(
    organisation=bytes(32), version=1, previous=bytes(32), chain_id=1, people=(ANA, BEN),
    administrator_quorum=1, account=Account(0, bytes(32), bytes(32)),
    vault=VAULT, tokens=(Token(ETH, None),), address_book=(PLACE,),
    limits=(Limit(ETH, 10, 100),), rules=(PAY, DENY, LARGE), sweep_mandate=True,
    max_fee_per_gas_wei=10, max_total_fee_wei=10, valid_until=2_000_000_000,
    spending=(Spending(0, Address(b"\x05" * 20), "hot", 1, (Limit(ETH, 10, 100),)),),
    gas=GasMandate(Address(b"\x05" * 20), 100),
    fiat=(FiatSource("bank", "bank_file", Asset("EUR/2"), 1, 10, 100, ("Ann", "Bo")),),
)  # fmt: skip
RATES = Rates(Asset("USD/2"), (), 60, 100)
KEY, BANK = ACTIVE.spending[0], ACTIVE.fiat[0]


def _rules(bundle: Bundle, *rules: Rule) -> Bundle:
    return replace(bundle, rules=rules)


def _pay(bundle: Bundle, when: When) -> Bundle:
    return replace(bundle, rules=(replace(PAY, when=when), *bundle.rules[1:]))


def _control(bundle: Bundle, **changes: Any) -> Bundle:
    return replace(bundle, controls=replace(bundle.control, **changes))


def _key(bundle: Bundle, **changes: Any) -> Bundle:
    return replace(bundle, spending=(replace(KEY, **changes),))


def _bank(bundle: Bundle, **changes: Any) -> Bundle:
    return replace(bundle, fiat=(replace(BANK, **changes),))


TIGHTER: dict[str, Callable[[Bundle], Bundle]] = {
    "nothing but a new end": lambda b: replace(b, version=2, valid_until=2_100_000_000),
    "a person less": lambda b: replace(b, people=(ANA,)),
    "a destination less": lambda b: replace(b, address_book=()),
    "a lower limit": lambda b: replace(b, limits=(Limit(ETH, 10, 99),)),
    "another label": lambda b: replace(b, address_book=(replace(PLACE, label="shop"),)),
    "a denial more": lambda b: replace(b, rules=(*b.rules, replace(DENY, id="no more"))),
    "a permission less": lambda b: _rules(b, DENY, LARGE),
    "a narrower permission": lambda b: _pay(b, replace(PAY.when, tags=("own",), over=(OVER,))),
    "rules in another order": lambda b: _rules(b, LARGE, DENY, PAY),
    "an owner less": lambda b: _control(b, owners=OWNERS[:2]),
    "more owners must sign": lambda b: _control(b, threshold=3),
    "a freezer more": lambda b: _control(b, freezers=(ANA.address, BEN.address)),
    "no mandate": lambda b: replace(b, sweep_mandate=False),
    "a lower fee": lambda b: replace(b, max_total_fee_wei=9),
    "no spending key": lambda b: replace(b, spending=(), gas=None),
    "more approvers of a key": lambda b: _key(b, threshold=2),
    "a smaller float": lambda b: _key(b, limits=(Limit(ETH, 9, 100),)),
    "less gas money": lambda b: replace(b, gas=GasMandate(KEY.address, 99)),
    "no fiat": lambda b: replace(b, fiat=()),
    "one payee less": lambda b: _bank(b, beneficiaries=("Ann",)),
    "more approvers of a source": lambda b: _bank(b, threshold=2),
}
LOOSER: dict[str, Callable[[Bundle], Bundle]] = {
    "a new person": lambda b: replace(b, people=(*b.people, replace(BEN, id="cay"))),
    "a new role": lambda b: replace(b, people=(ANA, replace(BEN, roles=("initiator",)))),
    "a new destination": lambda b: replace(b, address_book=(PLACE, OTHER)),
    "a higher payment": lambda b: replace(b, limits=(Limit(ETH, 11, 100),)),
    "a higher day": lambda b: replace(b, limits=(Limit(ETH, 10, 101),)),
    "a new rule": lambda b: replace(b, rules=(*b.rules, Rule("more", "allow", When()))),
    "a new rule that asks for approvals": lambda b: replace(b, rules=(*b.rules, ASK)),
    "a wider permission": lambda b: replace(b, rules=(replace(PAY, when=When()), *b.rules[1:])),
    "another condition": lambda b: _pay(b, When(assets=("X/2",))),
    "another bound": lambda b: _pay(b, replace(PAY.when, units_at_most=9)),
    "approvals that ask for less": lambda b: _rules(b, PAY, DENY),
    "other approvals": lambda b: _rules(b, PAY, DENY, replace(LARGE, approvals=ASK.approvals)),
    "narrower approvals": lambda b: _rules(b, PAY, DENY, replace(LARGE, when=PAY.when)),
    "a denial less": lambda b: _rules(b, PAY, LARGE),
    "a narrower denial": lambda b: _rules(b, PAY, replace(DENY, when=PAY.when), LARGE),
    "a denial that permits": lambda b: _rules(b, PAY, replace(DENY, verdict="allow"), LARGE),
    "fewer owners must sign": lambda b: _control(b, threshold=1),
    "a new owner": lambda b: _control(b, owners=(*OWNERS, OTHER.address)),
    "another guard": lambda b: _control(b, guard=OTHER.address),
    "another permit key": lambda b: _control(b, permit_signer=OTHER.address),
    "a freezer less": lambda b: _control(b, freezers=()),
    "a new token": lambda b: replace(b, tokens=(*b.tokens, Token(Asset("X/2"), PLACE.address))),
    "a higher fee": lambda b: replace(b, max_fee_per_gas_wei=11),
    "a smaller quorum": lambda b: replace(b, administrator_quorum=0),
    "a new key": lambda b: replace(b, spending=(KEY, replace(KEY, address=OTHER.address))),
    "a key that turns cold": lambda b: _key(b, kind="cold"),
    "a key at another index": lambda b: _key(b, index=1),
    "fewer approvers of a key": lambda b: _key(b, threshold=0),
    "a larger float": lambda b: _key(b, limits=(Limit(ETH, 10, 101),)),
    "an asset more of a key": lambda b: _key(b, limits=(*KEY.limits, Limit(Asset("X/2"), 1, 1))),
    "more gas money": lambda b: replace(b, gas=GasMandate(KEY.address, 101)),
    "gas money of another key": lambda b: replace(b, gas=GasMandate(OTHER.address, 1)),
    "a new source": lambda b: replace(b, fiat=(BANK, replace(BANK, source="other"))),
    "another rail": lambda b: _bank(b, rail="mobile_money"),
    "another currency": lambda b: _bank(b, asset=Asset("USD/2")),
    "fewer approvers of a source": lambda b: _bank(b, threshold=0),
    "larger orders": lambda b: _bank(b, per_order_units=11),
    "more a day from a source": lambda b: _bank(b, per_day_units=101),
    "a payee more": lambda b: _bank(b, beneficiaries=("Ann", "Cy")),
    "a tag more": lambda b: replace(b, address_book=(replace(PLACE, tags=("own",)),)),
    "a deputy": lambda b: replace(b, deputies=(Deputy("ana", "ben", 1, 2),)),
    "rates": lambda b: replace(b, rates=RATES),
    "any payee": lambda b: _bank(b, beneficiaries=None),
}


@pytest.mark.parametrize("change", TIGHTER)
def test_acts_at_once(change: str) -> None:
    assert is_tightening(ACTIVE, TIGHTER[change](ACTIVE))


@pytest.mark.parametrize("change", LOOSER)
def test_waits(change: str) -> None:
    assert not is_tightening(ACTIVE, LOOSER[change](ACTIVE))


def test_a_mandate_that_was_not_there_waits() -> None:
    assert not is_tightening(replace(ACTIVE, sweep_mandate=False), ACTIVE)
    assert not is_tightening(replace(ACTIVE, gas=None), ACTIVE)


def test_a_list_of_payees_where_any_was_paid_acts_at_once() -> None:
    assert is_tightening(_bank(ACTIVE, beneficiaries=None), ACTIVE)

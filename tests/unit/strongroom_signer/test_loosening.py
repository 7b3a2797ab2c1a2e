"""Only what is plainly tighter acts at once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from strongroom_protocol.addresses import Address
from strongroom_protocol.amounts import Asset
from strongroom_protocol.bundle import (
    Account,
    Bundle,
    Destination,
    Limit,
    Person,
    Token,
    Vault,
)
from strongroom_protocol.rules import Rule, When
from strongroom_signer.authority.loosening import is_tightening

ETH = Asset("ETH/18")
ANA = Person("ana", "Ana", Address(b"\x01" * 20), ("administrator",), None)
BEN = Person("ben", "Ben", Address(b"\x02" * 20), ("approver",), None)
PLACE = Destination(Address(b"\x03" * 20), "place")
OTHER = Destination(Address(b"\x04" * 20), "other")
ACTIVE = Bundle(
    organisation=bytes(32), version=1, previous=bytes(32), chain_id=1, people=(ANA, BEN),
    administrator_quorum=1, account=Account(0, bytes(32), bytes(32)),
    vault=Vault(bytes(32), (), 1, (), ()), tokens=(Token(ETH, None),), address_book=(PLACE,),
    limits=(Limit(ETH, 10, 100),), rules=(Rule("pay", "allow", When()),), sweep_mandate=True,
    max_fee_per_gas_wei=10, max_total_fee_wei=10, valid_until=2_000_000_000,
)  # fmt: skip
TIGHTER: dict[str, Callable[[Bundle], Bundle]] = {
    "nothing but a new end": lambda b: replace(b, version=2, valid_until=2_100_000_000),
    "a person less": lambda b: replace(b, people=(ANA,)),
    "a destination less": lambda b: replace(b, address_book=()),
    "a lower limit": lambda b: replace(b, limits=(Limit(ETH, 10, 99),)),
    "no mandate": lambda b: replace(b, sweep_mandate=False),
    "a lower fee": lambda b: replace(b, max_total_fee_wei=9),
}
LOOSER: dict[str, Callable[[Bundle], Bundle]] = {
    "a new person": lambda b: replace(b, people=(*b.people, replace(BEN, id="cay"))),
    "a new role": lambda b: replace(b, people=(ANA, replace(BEN, roles=("initiator",)))),
    "a new destination": lambda b: replace(b, address_book=(PLACE, OTHER)),
    "a higher payment": lambda b: replace(b, limits=(Limit(ETH, 11, 100),)),
    "a higher day": lambda b: replace(b, limits=(Limit(ETH, 10, 101),)),
    "a new rule": lambda b: replace(b, rules=(*b.rules, Rule("more", "allow", When()))),
    "a rule less": lambda b: replace(b, rules=()),
    "a new token": lambda b: replace(b, tokens=(*b.tokens, Token(Asset("X/2"), PLACE.address))),
    "a higher fee": lambda b: replace(b, max_fee_per_gas_wei=11),
    "a smaller quorum": lambda b: replace(b, administrator_quorum=0),
}


@pytest.mark.parametrize("change", TIGHTER)
def test_acts_at_once(change: str) -> None:
    assert is_tightening(ACTIVE, TIGHTER[change](ACTIVE))


@pytest.mark.parametrize("change", LOOSER)
def test_waits(change: str) -> None:
    assert not is_tightening(ACTIVE, LOOSER[change](ACTIVE))


def test_a_mandate_that_was_not_there_waits() -> None:
    assert not is_tightening(replace(ACTIVE, sweep_mandate=False), ACTIVE)

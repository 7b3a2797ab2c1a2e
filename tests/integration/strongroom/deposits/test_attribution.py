"""Whose money it is: an address a customer, for ever; a second payment as people chose."""

import psycopg
import pytest

from strongroom.db.actor import system
from strongroom.deposits import service as deposits
from strongroom.deposits.errors import NotHeld
from strongroom.deposits.service import Which
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE
from tests.factories.deposit_stage import Flow

CREDIT = f"client:treasury {ETH}"


def arrive(flow: Flow, *values: int, to: bytes = ADDRESS) -> None:
    for value in values:
        flow.stage.send(to, value)
        flow.stage.chain.mine()
    flow.stage.catch_up(flow.stage.follower())
    flow.settle()
    flow.look()


def test_deposits_are_found_by_the_customer_whose_address_was_paid(flow: Flow):
    other = bytes.fromhex("e8" * 20)
    flow.stage.watch(other)
    flow.give_out(customer_reference="customer 7")
    flow.give_out(other, 1, customer_reference="customer 8")
    flow.import_list()
    arrive(flow, 5)
    arrive(flow, 6, to=other)
    with flow.stage.connect(pool_size=1).read(flow.stage.organisation, system("test")) as uow:

        def units(which: Which) -> list[int]:
            return [view.units for view in deposits.list_deposits(uow, which=which)]

        assert units(Which(customer_reference="customer 7")) == [5]
        assert units(Which(customer_reference="customer 9")) == []
        assert units(Which(address=other)) == [6]
        assert sorted(units(Which(disposition="credited"))) == [5, 6]
    memos = flow.stage.rows("SELECT memo FROM ledger_transaction WHERE memo ? 'customer'")
    assert (
        sorted(row["memo"]["customer"] for row in memos) == ["customer 7"] * 2 + ["customer 8"] * 2
    )
    flow.stage.chain.rpc("anvil_reorg", 2, [])
    flow.stage.chain.mine(3)
    flow.stage.catch_up(flow.stage.follower())
    assert flow.stage.balances() == {}, "a reversal names the customer, too"


def test_a_given_out_address_is_never_given_to_another_customer(flow: Flow):
    flow.give_out(customer_reference="customer 7")
    with (
        flow.stage.connect(pool_size=1).unit(flow.stage.organisation, system("test")) as uow,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        uow.execute("UPDATE wallet_address SET customer_reference = 'customer 8'")
    with pytest.raises(psycopg.errors.UniqueViolation):
        flow.give_out(bytes.fromhex("e9" * 20), 1, customer_reference="customer 7")


def test_a_second_payment_to_a_single_use_address_waits_for_people(flow: Flow):
    flow.give_out(reuse="hold")
    flow.import_list()
    arrive(flow, 5, 6)
    assert flow.stage.balances()[CREDIT] == 5
    assert flow.stage.balances()[f"{SUSPENSE} {ETH}"] == 6
    (alert,) = flow.stage.rows("SELECT kind, detail FROM alert")
    assert (alert["kind"], alert["detail"]["units"]) == ("deposits.address_reused", "6")
    first, held = flow.stage.rows("SELECT id FROM deposit ORDER BY id")
    with flow.stage.connect(pool_size=1).unit(flow.stage.organisation, system("test")) as uow:
        with pytest.raises(NotHeld):
            deposits.ask_accept(uow, first["id"], "deposits.accept")
        assert deposits.get(uow, held["id"]).state == "reuse"
        deposits.ask_accept(uow, held["id"], "deposits.accept")
    flow.deliver("deposits.accept")
    assert flow.stage.balances()[CREDIT] == 11
    flow.stage.assert_sound()


def test_two_payments_in_one_block_are_a_first_and_a_second(flow: Flow):
    flow.give_out(reuse="hold")
    flow.import_list()
    flow.stage.send(ADDRESS, 5)
    flow.stage.send(ADDRESS, 5)
    flow.stage.chain.mine()
    flow.stage.catch_up(flow.stage.follower())
    flow.settle()
    assert flow.stage.balances()[CREDIT] == 5


def test_an_address_that_may_be_used_again_is_credited_each_time(flow: Flow):
    flow.give_out()
    flow.import_list()
    arrive(flow, 5, 6)
    assert flow.stage.balances()[CREDIT] == 11
    assert flow.stage.rows("SELECT 1 FROM alert") == []


def test_a_strangers_dust_does_not_use_up_a_customers_address(flow: Flow):
    with flow.stage.connect(pool_size=1).unit(flow.stage.organisation, system("test")) as uow:
        deposits.set_rule(uow, deposits.NewRule("dust", asset=ETH, units=3))
    flow.give_out(reuse="hold")
    flow.import_list()
    arrive(flow, 1, 5)
    assert flow.stage.balances()[CREDIT] == 6
    assert flow.stage.rows("SELECT 1 FROM alert") == []


def test_a_first_payment_that_a_fork_undid_does_not_count(flow: Flow):
    flow.give_out(reuse="hold")
    flow.import_list()
    arrive(flow, 5)
    flow.stage.chain.rpc("anvil_reorg", 1, [])
    flow.stage.chain.mine()
    arrive(flow, 6)
    assert flow.stage.balances()[CREDIT] == 6

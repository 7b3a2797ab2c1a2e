"""A credit waits for what the rules say: depth, level, more than dust, an account that is right."""

from typing import Any

import pytest

from strongroom.db.actor import system
from strongroom.deposits import repository
from strongroom.deposits import service as deposits
from strongroom.deposits.errors import RuleInvalid, RuleUnknown
from strongroom.indexer.follower import Follower
from strongroom.kit.ids import HOUSE
from strongroom.wallets import service as wallets
from tests.factories.chain_stage import ADDRESS, ETH
from tests.factories.deposit_stage import Flow

CREDIT = f"client:treasury {ETH}"


def rule(flow: Flow, *, house: bool = False, **more: Any) -> Any:
    """Set a rule as the API does."""
    owner = HOUSE if house else flow.stage.organisation
    with flow.stage.connect(pool_size=1).unit(owner, system("test")) as uow:
        return deposits.set_rule(uow, deposits.NewRule(**({"kind": "confirmation"} | more)))


def pay(flow: Flow, value: int = 5) -> None:
    flow.stage.send(ADDRESS, value)
    flow.stage.chain.mine()


def catch_up(flow: Flow, follower: Follower) -> None:
    """The chain as it is now, and what the clock then brings."""
    flow.stage.catch_up(follower)
    flow.settle()
    flow.look()


def awaited(flow: Flow) -> list[str | None]:
    return [row["awaits"] for row in flow.stage.rows("SELECT awaits FROM deposit ORDER BY id")]


def test_a_deposit_is_credited_when_its_block_is_as_deep_as_the_houses_rule(flow: Flow):
    rule(flow, house=True, confirmations=4)
    flow.import_list()
    follower = flow.stage.follower()
    pay(flow)
    flow.stage.chain.mine(2)
    catch_up(flow, follower)
    assert CREDIT not in flow.stage.balances(), "three blocks are not four"
    told = "Its credit waits for 4 blocks (the house's rule for every asset)."
    assert awaited(flow) == [told]
    flow.stage.chain.mine()
    catch_up(flow, follower)
    assert flow.stage.balances()[CREDIT] == 5
    assert awaited(flow) == [None]
    flow.stage.assert_sound()


def test_a_larger_amount_waits_for_finality_and_a_smaller_one_does_not(flow: Flow):
    rule(flow, asset=ETH, units=100, level="final")
    flow.import_list()
    follower = flow.stage.follower()
    pay(flow, 5)
    pay(flow, 100)
    catch_up(flow, follower)
    assert flow.stage.balances()[CREDIT] == 5
    flow.stage.chain.mine(4)
    catch_up(flow, follower)
    assert flow.stage.balances()[CREDIT] == 105


def test_a_rule_of_an_organisation_binds_nobody_else_and_is_seen_by_nobody_else(flow: Flow):
    other = flow.other_organisation()
    with flow.stage.connect(pool_size=1).unit(other, system("test")) as uow:
        deposits.set_rule(uow, deposits.NewRule("confirmation", confirmations=99))
    rule(flow, house=True, confirmations=1, level="safe")
    with flow.stage.connect(pool_size=1).read(flow.stage.organisation, system("test")) as uow:
        assert [found.level for found in deposits.rules_of(uow)] == ["safe"]


def test_a_tightening_reaches_what_is_not_credited_yet_a_loosening_only_what_comes_later(
    flow: Flow,
):
    first = rule(flow, confirmations=3)
    flow.import_list()
    follower = flow.stage.follower()
    pay(flow)
    catch_up(flow, follower)
    with flow.stage.connect(pool_size=1).unit(flow.stage.organisation, system("test")) as uow:
        deposits.end_rule(uow, first.id)
        with pytest.raises(RuleUnknown):
            deposits.end_rule(uow, flow.stage.organisation)
    flow.import_list(b"\x77" * 20)
    catch_up(flow, follower)
    assert CREDIT not in flow.stage.balances(), "it was told to wait, and a new verdict came"
    rule(flow, house=True, confirmations=6)
    flow.stage.chain.mine(2)
    catch_up(flow, follower)
    assert CREDIT not in flow.stage.balances()
    assert "6 blocks (the house's rule" in (awaited(flow)[0] or "")
    flow.stage.chain.mine(3)
    catch_up(flow, follower)
    assert flow.stage.balances()[CREDIT] == 5


def test_the_rule_that_another_takes_the_place_of_stays_on_record(flow: Flow):
    rule(flow, confirmations=3)
    rule(flow, confirmations=5)
    rule(flow, confirmations=5, asset=ETH, units=7)
    with flow.stage.connect(pool_size=1).read(flow.stage.organisation, system("test")) as uow:
        found = [(each.confirmations, each.ended_at is None) for each in deposits.rules_of(uow)]
    assert found == [(5, True), (5, True), (3, False)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "confirmation"},
        {"kind": "confirmation", "confirmations": 2, "units": 5},
        {"kind": "dust", "asset": ETH},
        {"kind": "dust", "units": 5},
        {"kind": "dust", "asset": ETH, "units": 5, "confirmations": 2},
    ],
)
def test_a_rule_that_says_nothing_is_refused(flow: Flow, wrong: dict[str, Any]):
    with pytest.raises(RuleInvalid):
        rule(flow, **wrong)


def test_a_listed_payer_is_quarantined_however_deep_the_block_is(flow: Flow):
    rule(flow, house=True, confirmations=50)
    flow.import_list(bytes.fromhex(flow.stage.chain.accounts()[0][2:]))
    pay(flow)
    catch_up(flow, flow.stage.follower())
    assert flow.stage.balances()[f"quarantine {ETH}"] == 5


def test_a_fork_takes_back_what_waits_and_what_was_credited_alike(flow: Flow):
    rule(flow, confirmations=3)
    flow.import_list()
    follower = flow.stage.follower()
    pay(flow)
    catch_up(flow, follower)
    flow.stage.chain.rpc("anvil_reorg", 1, [])
    flow.stage.chain.mine(5)
    catch_up(flow, follower)
    assert flow.stage.balances() == {}
    (row,) = flow.stage.rows("SELECT disposition, awaits FROM deposit")
    assert (row["disposition"], row["awaits"]) == ("reversed", None)


def test_nothing_is_credited_while_its_account_is_frozen(flow: Flow):
    """A token that says more than it moves: the oracle freezes, so the claim never comes to be."""
    rule(flow, confirmations=2)
    flow.import_list()
    follower = flow.stage.follower()
    pay(flow)
    catch_up(flow, follower)
    with flow.stage.connect("strongroom_worker", pool_size=1).unit(None, system("test")) as uow:
        wallets.freeze(
            uow,
            organisation_id=flow.stage.organisation,
            custody_code=flow.stage.custody(),
            asset=ETH,
            reason="test",
        )
    flow.stage.chain.mine()
    catch_up(flow, follower)
    assert CREDIT not in flow.stage.balances()
    assert awaited(flow) == [
        "Its account is frozen: people look at a difference between chain and books."
    ]
    flow.change("UPDATE custody_freeze SET lifted_at = now(), lifted_by = 'test'")
    flow.clock.advance(61)
    flow.look()
    assert flow.stage.balances()[CREDIT] == 5


def test_dust_is_kept_until_its_address_has_enough_together(flow: Flow):
    rule(flow, kind="dust", asset=ETH, units=6)
    flow.import_list()
    follower = flow.stage.follower()
    pay(flow, 2)
    pay(flow, 3)
    catch_up(flow, follower)
    assert flow.stage.balances() == {
        f"{flow.stage.custody()} {ETH}": 5,
        f"suspense:unscreened {ETH}": 5,
    }
    held = flow.stage.rows("SELECT held, awaits FROM deposit ORDER BY id")
    assert {row["held"] for row in held} == {"dust"}
    assert "0.000000000000000006 ETH/18 lie at its address together" in held[0]["awaits"]
    pay(flow, 1)
    catch_up(flow, follower)
    assert flow.stage.balances()[CREDIT] == 6
    flow.stage.chain.rpc("anvil_reorg", 1, [])
    flow.stage.chain.mine()
    catch_up(flow, follower)
    assert flow.stage.balances()[CREDIT] == 5, "only what left the chain is taken back"
    flow.stage.assert_sound()


def test_however_much_dust_there_is_a_verdict_looks_at_the_largest_only(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(repository, "DUST_MAX", 1)
    rule(flow, kind="dust", asset=ETH, units=9)
    flow.import_list()
    follower = flow.stage.follower()
    for value in (1, 3, 2):
        pay(flow, value)
        catch_up(flow, follower)
    pay(flow, 10)
    catch_up(flow, follower)
    assert flow.stage.balances()[CREDIT] == 13


def test_dust_of_another_address_or_of_a_listed_payer_adds_nothing(flow: Flow):
    other = bytes.fromhex("e7" * 20)
    flow.stage.watch(other)
    rule(flow, kind="dust", asset=ETH, units=6)
    flow.import_list(bytes.fromhex(flow.stage.chain.accounts()[1][2:]))
    follower = flow.stage.follower()
    pay(flow, 3)
    flow.stage.send(other, 5)
    flow.stage.send(ADDRESS, 5, payer=1)
    flow.stage.chain.mine()
    catch_up(flow, follower)
    assert CREDIT not in flow.stage.balances()

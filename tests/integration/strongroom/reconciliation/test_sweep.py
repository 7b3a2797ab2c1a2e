"""P2: every balance is read in a stated period, and a difference says in which block it began."""

from dataclasses import replace
from typing import Any

import pytest

from strongroom.indexer import balances
from strongroom.indexer.balances import SWEEP_SECONDS
from strongroom.indexer.follower import Follower
from strongroom.kit.metrics import gauge
from tests.factories.books import make_organisation
from tests.factories.chain_stage import ADDRESS, ETH, TUSD
from tests.factories.deposit_stage import LEAF, Flow


def follow(flow: Flow) -> Follower:
    """An indexer whose clock is the flow's."""
    follower = flow.stage.follower()
    follower._database.clock = flow.clock
    return follower


def finish(flow: Flow, follower: Follower) -> None:
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    flow.deliver("reconciliation.run")


def swept(flow: Flow) -> dict[str, Any]:
    (row,) = flow.stage.rows("SELECT * FROM chain_sweep")
    return row


def test_what_was_missed_on_an_address_that_never_moves_is_found_within_the_period(flow: Flow):
    follower = follow(flow)
    finish(flow, follower)
    flow.stage.chain.rpc("anvil_setBalance", "0x" + ADDRESS.hex(), hex(9))
    height = flow.stage.chain.height()
    finish(flow, follower)
    flow.clock.advance(SWEEP_SECONDS - 60)
    finish(flow, follower)
    assert flow.stage.rows("SELECT * FROM custody_freeze") == []
    flow.clock.advance(60)
    finish(flow, follower)
    (row,) = flow.stage.rows("SELECT * FROM reconciliation_row WHERE difference <> 0")
    assert (row["ledger_units"], row["chain_units"]) == (0, 9)
    assert row["differs_height"] - row["equal_height"] == 1
    assert row["differs_height"] in (height, height + 1)
    (freeze,) = flow.stage.rows("SELECT reason FROM custody_freeze")
    assert f"It began in block {row['differs_height']}." in freeze["reason"]
    (alert,) = flow.stage.rows("SELECT detail FROM alert")
    assert alert["detail"]["differs_height"] == row["differs_height"]
    assert alert["detail"]["equal_height"] == row["equal_height"]


def test_money_that_left_without_an_order_is_named_with_its_block(flow: Flow):
    leaf, thief = flow.stage.deploy(LEAF), bytes.fromhex("0bad" + "00" * 18)
    flow.stage.watch(leaf)
    flow.stage.send(leaf, 5)
    follower = follow(flow)
    finish(flow, follower)
    flow.stage.chain.mine(5)
    flow.stage.send(leaf, data="0x" + thief.rjust(32, b"\0").hex(), gas="0x20000")
    height = flow.stage.chain.mine()
    flow.stage.chain.mine(5)
    finish(flow, follower)
    (row,) = flow.stage.rows("SELECT * FROM reconciliation_row WHERE difference <> 0")
    assert (row["equal_height"], row["differs_height"]) == (height - 1, height)


def test_a_round_goes_on_where_a_killed_indexer_left_it(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(balances, "PART_MAX", 2)
    for number in range(1, 6):
        flow.stage.watch(bytes([number]) * 20)
    first = follow(flow)
    finish(flow, first)  # the first round finds nobody who was watched long enough, or some
    flow.clock.advance(SWEEP_SECONDS)
    for _ in range(40):
        first.step()
        if swept(flow)["swept"] == 2:
            break
    assert (swept(flow)["after"], swept(flow)["ended_at"]) == (b"\x02" * 20, None)
    second = follow(flow)
    flow.clock.advance(SWEEP_SECONDS)
    for _ in range(40):
        second.step()
        if swept(flow)["ended_at"] is not None:
            break
    row = swept(flow)
    assert (row["swept"], row["whole_since"]) == (6, row["begun_at"])
    flow.deliver("reconciliation.run")
    runs = flow.stage.rows(
        "SELECT swept, differences FROM reconciliation_run WHERE part LIKE %s",
        f"sweep {row['round']} %",
    )
    assert sum(run["swept"] for run in runs) == 6


def test_equal_accounts_of_the_sweep_leave_no_rows(flow: Flow):
    flow.stage.send(ADDRESS, 5)
    follower = follow(flow)
    finish(flow, follower)
    before = len(flow.stage.rows("SELECT * FROM chain_balance"))
    flow.clock.advance(SWEEP_SECONDS)
    finish(flow, follower)
    assert len(flow.stage.rows("SELECT * FROM chain_balance")) == before
    newest = flow.stage.rows("SELECT * FROM reconciliation_run ORDER BY id DESC LIMIT 1")[0]
    assert (newest["swept"], newest["accounts"], newest["differences"]) == (1, 1, 0)
    assert newest["part"].startswith("sweep ")


def test_each_organisation_s_addresses_are_read_for_what_it_may_hold(flow: Flow):
    """Two organisations' addresses in turns; one of them has come to allow a token."""
    other = replace(flow.stage, organisation=make_organisation(flow.stage.connect.found))
    token = flow.stage.deploy_dollar()
    for number in range(1, 9):
        (flow.stage, other)[number % 2].watch(bytes([number]) * 20)
    follower = follow(flow)
    finish(flow, follower)
    for number, units in ((3, 33), (4, 44)):
        flow.stage.mint(token, bytes([number]) * 20, units)
        flow.stage.chain.mine()
    finish(flow, follower)
    other.allow(token)
    flow.stage.chain.rpc("anvil_setBalance", "0x" + (b"\x06" * 20).hex(), hex(9))
    flow.clock.advance(SWEEP_SECONDS)
    finish(flow, follower)
    found = flow.stage.rows("SELECT address, asset, units FROM chain_balance WHERE part <> ''")
    assert {(row["address"][0], row["asset"], row["units"]) for row in found} == {
        (3, TUSD, 33),
        (6, ETH, 9),
    }
    (run,) = flow.stage.rows("SELECT swept FROM reconciliation_run WHERE differences > 0")
    assert run["swept"] == 9 + 4 - 2  # ADDRESS, too; four of them for the token as well


def test_a_frozen_account_is_not_bisected_again(flow: Flow):
    follower = follow(flow)
    flow.stage.chain.rpc("anvil_setBalance", "0x" + ADDRESS.hex(), hex(9))
    finish(flow, follower)
    flow.clock.advance(SWEEP_SECONDS)
    finish(flow, follower)
    assert len(flow.stage.rows("SELECT * FROM chain_difference")) == 1
    assert len(flow.stage.rows("SELECT * FROM reconciliation_run WHERE differences = 1")) == 2


def test_the_age_of_the_sweep_is_measured(flow: Flow):
    follower = follow(flow)
    finish(flow, follower)
    flow.clock.advance(100)
    follower.step()
    follower.step()
    label = str(flow.stage.chain.chain_id)
    found = gauge(
        "strongroom_indexer_sweep_age_seconds", "Age of the oldest balance reading.", ("chain",)
    )
    assert 100 <= found.labels(label)._value.get() < 160

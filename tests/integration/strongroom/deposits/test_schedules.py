"""When an organisation is swept: its minimum, its time, its price; and at once when it says so."""

from typing import Any

import pytest

from strongroom.db.actor import system
from strongroom.deposits import service as deposits
from strongroom.deposits.errors import ScheduleInvalid
from strongroom.deposits.schedule import Schedule
from tests.factories.chain_stage import ETH
from tests.factories.deposit_stage import Flow

LEAVES = [bytes([0xE0 + number]) * 20 for number in range(3)]


def credited(flow: Flow, *values: int) -> None:
    """Deposits that may go, an address each, at a vault that stands."""
    flow.import_list()
    for index, value in enumerate(values):
        flow.stage.watch(LEAVES[index])
        flow.give_out(LEAVES[index], index, delegated_at=flow.clock.now())
        flow.stage.send(LEAVES[index], value)
    flow.stage.chain.mine(4)
    flow.make_vault()
    flow.stage.catch_up(flow.stage.follower())
    flow.settle()


def schedule(flow: Flow, **more: Any) -> None:
    with flow.stage.connect(pool_size=1).unit(flow.stage.organisation, system("test")) as uow:
        deposits.set_schedule(uow, flow.stage.chain.chain_id, Schedule(**more))


def planned(flow: Flow) -> list[list[str]]:
    """The units of each sweep's items."""
    rows = flow.stage.rows("SELECT payload FROM outgoing WHERE purpose = 'sweep' ORDER BY id")
    return [sorted(item["units"] for item in row["payload"]["items"]) for row in rows]


def sweep_now(flow: Flow) -> None:
    with flow.stage.connect(pool_size=1).unit(flow.stage.organisation, system("test")) as uow:
        deposits.sweep_now(uow)
    flow.deliver("deposits.sweep")


def test_what_is_below_the_minimum_of_its_asset_waits_for_more(flow: Flow):
    schedule(flow, minimums={ETH: 6})
    credited(flow, 5, 6, 7)
    flow.plan()
    assert planned(flow) == [["6", "7"]]


def test_sweep_now_asks_for_no_minimum_and_no_hour(flow: Flow):
    minute = flow.clock.now().hour * 60 + flow.clock.now().minute
    schedule(
        flow,
        minimums={ETH: 10**18},
        window_from_minute=(minute + 600) % 1440,
        window_to_minute=(minute + 660) % 1440,
    )
    credited(flow, 5)
    flow.plan()
    assert planned(flow) == []
    sweep_now(flow)
    assert planned(flow) == [["5"]]


def test_the_next_sweep_waits_for_the_interval(flow: Flow):
    schedule(flow, interval_seconds=3_600)
    credited(flow, 5, 6)
    flow.plan()
    flow.change(
        "UPDATE outgoing SET state = 'finalized', succeeded = true, nonce = 7,"
        " sender = decode(repeat('99', 20), 'hex'),"
        " mined_hash = decode(repeat('11', 32), 'hex'), mined_height = 3,"
        " mined_block_hash = decode(repeat('12', 32), 'hex') WHERE purpose = 'sweep'"
    )
    flow.change("UPDATE deposit SET sweep_id = NULL WHERE units = 6")
    flow.plan()
    assert planned(flow) == [["5", "6"]]
    flow.clock.advance(3_601)
    flow.plan()
    assert planned(flow) == [["5", "6"], ["6"]]


def test_the_price_is_capped_by_the_schedule_and_never_raised_by_it(flow: Flow):
    """The signed policy of the stage allows 1,000 wei."""
    schedule(flow, max_fee_per_gas_wei=7)
    credited(flow, 5)
    flow.plan()
    (row,) = flow.stage.rows("SELECT * FROM outgoing WHERE purpose = 'sweep'")
    assert (int(row["max_fee_per_gas_wei"]), row["gas"]) == (7, 155_000)


def test_the_newest_schedule_counts_and_the_older_ones_stay(flow: Flow):
    schedule(flow, minimums={ETH: 6})
    schedule(flow, minimums={})
    credited(flow, 5)
    flow.plan()
    assert planned(flow) == [["5"]]
    assert len(flow.stage.rows("SELECT 1 FROM sweep_schedule")) == 2
    with flow.stage.connect(pool_size=1).read(flow.stage.organisation, system("test")) as uow:
        (view,) = deposits.list_sweeps(uow)
    assert (view.kind, view.state, view.deposits) == ("batch", "planned", 1)


def test_a_window_with_one_end_is_refused(flow: Flow):
    with pytest.raises(ScheduleInvalid):
        schedule(flow, window_from_minute=5)
    with pytest.raises(ScheduleInvalid):
        schedule(flow, window_from_minute=5, window_to_minute=5)

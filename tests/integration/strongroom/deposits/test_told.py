"""Programs are told of each state of a deposit, and of what a reorganisation takes back."""

from strongroom.webhooks import rules as webhooks
from tests.factories.chain_stage import ADDRESS
from tests.factories.deposit_stage import Flow


def listen(flow: Flow) -> None:
    """The organisation wants to be told."""
    flow.insert("event_listener", organisation_id=flow.stage.organisation, since=flow.clock.now())


def told(flow: Flow) -> list[str]:
    return [row["type"] for row in flow.stage.rows("SELECT type FROM event ORDER BY number")]


def test_each_state_is_told_once_in_order_with_the_facts(flow: Flow):
    listen(flow)
    flow.give_out(customer_reference="customer 7")
    flow.import_list()
    flow.stage.send(ADDRESS, 5)
    flow.stage.chain.mine()
    follower = flow.stage.follower()
    flow.stage.catch_up(follower)
    flow.settle()
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    assert told(flow) == [
        "deposit.seen",
        "deposit.confirmed",
        "deposit.credited",
        "deposit.finalized",
    ]
    assert set(told(flow)) <= set(webhooks.TYPES)
    (deposit,) = flow.stage.rows("SELECT id FROM deposit")
    rows = flow.stage.rows("SELECT * FROM event ORDER BY number")
    assert {row["subject"] for row in rows} == {f"deposit:{deposit['id']}"}
    assert rows[2]["body"]["units"] == "5"
    assert rows[2]["body"]["customer_reference"] == "customer 7"
    assert rows[2]["body"]["account"] == "treasury"


def test_a_reorganisation_takes_back_everything_that_was_said(flow: Flow):
    listen(flow)
    flow.import_list()
    flow.stage.send(ADDRESS, 5)
    flow.stage.chain.mine()
    follower = flow.stage.follower()
    flow.stage.catch_up(follower)
    flow.settle()
    flow.stage.chain.rpc("anvil_reorg", 1, [])
    flow.stage.chain.mine()
    flow.stage.catch_up(follower)
    rows = flow.stage.rows("SELECT * FROM event ORDER BY number")
    assert rows[-1]["type"] == "deposit.reversed"
    assert set(rows[-1]["retracts"]) == {row["id"] for row in rows[:-1]}
    assert len(rows) == 4


def test_quarantine_is_told_and_without_a_listener_nothing_is_kept(flow: Flow):
    flow.import_list(bytes.fromhex(flow.stage.chain.accounts()[0][2:]))
    flow.stage.send(ADDRESS, 5)
    flow.stage.chain.mine()
    flow.stage.catch_up(flow.stage.follower())
    assert told(flow) == []
    listen(flow)
    flow.settle()
    assert "deposit.quarantined" in told(flow)

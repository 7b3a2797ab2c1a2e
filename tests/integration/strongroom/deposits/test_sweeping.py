"""Cleared and final money goes into the own vault, by plans that the chain proves."""

from uuid import UUID

from strongroom.db.actor import system
from strongroom.deposits import service as deposits
from strongroom.deposits import sweeps
from strongroom.deposits.sweepable import Place
from strongroom.deposits.sweeps import RETRY_SECONDS
from strongroom.wallets import service as wallets
from tests.factories.chain_stage import ETH, TUSD, VAULT
from tests.factories.deposit_stage import LEAF, Flow


def cleared_leaf(flow: Flow, value: int = 5) -> bytes:
    """A deposit address that can sweep itself, with a credited and final deposit."""
    flow.import_list()
    leaf = flow.stage.deploy(LEAF)
    flow.stage.watch(leaf)
    flow.give_out(leaf)
    flow.stage.send(leaf, value)
    flow.stage.chain.mine(4)
    return leaf


def run(flow: Flow) -> None:
    follower = flow.stage.follower()
    flow.stage.catch_up(follower)
    flow.settle()
    flow.plan()


def sweep_on_chain(flow: Flow, leaf: bytes) -> None:
    flow.stage.send(leaf, data="0x" + VAULT.rjust(32, b"\0").hex(), gas="0x20000")
    flow.stage.chain.mine()


def outgoing_sweeps(flow: Flow) -> list[dict[str, object]]:
    return flow.stage.rows("SELECT * FROM outgoing WHERE purpose = 'sweep' ORDER BY id")


def test_one_sweep_is_planned_with_the_clearances_that_the_signer_wants(flow: Flow):
    leaf = cleared_leaf(flow)
    flow.make_vault()
    run(flow)
    (outgoing,) = outgoing_sweeps(flow)
    payload = outgoing["payload"]
    assert isinstance(payload, dict)
    assert set(payload) == {"organisation", "items", "delegate"}
    assert payload["delegate"] == [0]
    (item,) = payload["items"]
    assert (item["index"], item["units"]) == (0, "5")
    (clearance,) = item["clearances"]
    document = clearance["document"]
    assert document["verdict"] == "CLEAR"
    assert document["deposit"]["address"].lower() == "0x" + leaf.hex()
    flow.plan()
    assert len(outgoing_sweeps(flow)) == 1, "one sweep at a time"


def test_nothing_is_planned_without_vault_mandate_or_finality(flow: Flow):
    cleared_leaf(flow)
    run(flow)
    assert outgoing_sweeps(flow) == [], "no vault yet"
    flow.make_vault(mandate=False)
    flow.plan()
    assert outgoing_sweeps(flow) == [], "the signed policy gives no mandate"


def test_a_deposit_that_is_not_final_waits(flow: Flow):
    cleared_leaf(flow)
    flow.make_vault()
    leaf = flow.stage.rows("SELECT address FROM wallet_address")[0]["address"]
    flow.stage.send(leaf, 7)
    flow.stage.chain.mine()
    run(flow)
    (outgoing,) = outgoing_sweeps(flow)
    payload = outgoing["payload"]
    assert isinstance(payload, dict)
    assert [item["units"] for item in payload["items"]] == ["5"]


def test_a_frozen_account_is_not_swept(flow: Flow):
    leaf = cleared_leaf(flow)
    flow.make_vault()
    worker = flow.stage.connect("strongroom_worker", pool_size=1)
    with worker.unit(None, system("test")) as uow:
        wallets.freeze(
            uow,
            organisation_id=flow.stage.organisation,
            custody_code=flow.stage.custody(leaf),
            asset=ETH,
            reason="test",
        )
    run(flow)
    assert outgoing_sweeps(flow) == []


def test_a_sweep_seen_on_chain_moves_custody_and_no_claim(flow: Flow):
    leaf = cleared_leaf(flow)
    flow.make_vault()
    run(flow)
    sweep_on_chain(flow, leaf)
    follower = flow.stage.follower()
    flow.stage.catch_up(follower)
    assert flow.stage.balances() == {
        f"{flow.stage.custody(VAULT)} {ETH}": 5,
        f"client:treasury {ETH}": 5,
    }
    assert flow.stage.rows("SELECT swept_at FROM deposit")[0]["swept_at"] is not None
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    assert flow.stage.rows("SELECT delegated_at FROM wallet_address")[0]["delegated_at"] is not None
    assert (
        flow.stage.rows("SELECT finished_at FROM screening_request")[0]["finished_at"] is not None
    )
    flow.stage.assert_sound()


def test_a_sweep_that_a_fork_drops_moves_custody_back(flow: Flow):
    leaf = cleared_leaf(flow)
    flow.make_vault()
    run(flow)
    sweep_on_chain(flow, leaf)
    follower = flow.stage.follower()
    flow.stage.catch_up(follower)
    flow.stage.chain.rpc("anvil_reorg", 1, [])
    flow.stage.chain.mine()
    flow.stage.catch_up(follower)
    assert flow.stage.balances() == {
        f"{flow.stage.custody(leaf)} {ETH}": 5,
        f"client:treasury {ETH}": 5,
    }
    assert flow.stage.rows("SELECT swept_at FROM deposit")[0]["swept_at"] is None


def test_deposit_and_sweep_in_one_block_are_taken_back_without_passing_below_zero(flow: Flow):
    leaf = flow.stage.deploy(LEAF)
    flow.stage.watch(leaf)
    flow.stage.watch(VAULT, "vault")
    follower = flow.stage.follower()
    flow.stage.catch_up(follower)
    flow.stage.send(leaf, 5, "0x" + VAULT.rjust(32, b"\0").hex(), gas="0x20000")
    flow.stage.chain.mine()
    flow.stage.catch_up(follower)
    assert flow.stage.balances()[f"{flow.stage.custody(VAULT)} {ETH}"] == 5
    flow.stage.chain.rpc("anvil_reorg", 1, [])
    flow.stage.chain.mine()
    flow.stage.catch_up(follower)
    assert flow.stage.balances() == {}
    assert flow.stage.rows("SELECT 1 FROM ledger_balance WHERE frozen") == []


def test_a_sweep_that_the_signer_refused_frees_its_deposits_after_a_pause(flow: Flow):
    cleared_leaf(flow)
    flow.make_vault()
    run(flow)
    flow.change("UPDATE outgoing SET state = 'failed' WHERE purpose = 'sweep'")
    flow.plan()
    assert len(outgoing_sweeps(flow)) == 1
    assert flow.stage.rows("SELECT sweep_id FROM deposit")[0]["sweep_id"] is None
    flow.clock.advance(RETRY_SECONDS + 1)
    flow.plan()
    assert len(outgoing_sweeps(flow)) == 2


def test_after_a_refusal_the_plans_take_one_address_at_a_time(flow: Flow):
    """P10: whichever deposit the signer refuses, every other one is asked for without it."""
    flow.import_list()
    leaves = [bytes.fromhex("e5" * 20), bytes.fromhex("e6" * 20)]
    for index, leaf in enumerate(leaves):
        flow.stage.watch(leaf)
        flow.give_out(leaf, index, delegated_at=flow.clock.now())
        flow.stage.send(leaf, 5)
    flow.stage.chain.mine(4)
    flow.make_vault()
    run(flow)
    for _ in leaves:
        flow.change("UPDATE outgoing SET state = 'failed' WHERE purpose = 'sweep'")
        flow.plan()
        flow.clock.advance(RETRY_SECONDS + 1)
        flow.plan()
    asked = [
        sorted(item["index"] for item in row["payload"]["items"])  # type: ignore[index]
        for row in outgoing_sweeps(flow)
    ]
    assert asked[0] == [0, 1]
    assert sorted(asked[1:]) == [[0], [1]]


def test_a_mined_sweep_that_left_something_alerts_and_is_not_repeated(flow: Flow):
    cleared_leaf(flow)
    flow.make_vault()
    run(flow)
    flow.change(
        "UPDATE outgoing SET state = 'finalized', succeeded = true, nonce = 7,"
        " sender = decode(repeat('99', 20), 'hex'),"
        " mined_hash = decode(repeat('11', 32), 'hex'), mined_height = 3,"
        " mined_block_hash = decode(repeat('12', 32), 'hex') WHERE purpose = 'sweep'"
    )
    flow.plan()
    kinds = [row["kind"] for row in flow.stage.rows("SELECT kind FROM alert")]
    assert kinds == ["deposits.sweep_incomplete"]
    flow.plan()
    assert len(outgoing_sweeps(flow)) == 1


def test_two_deposits_of_one_address_and_token_are_one_item(flow: Flow):
    flow.import_list()
    token = flow.stage.deploy_dollar()
    flow.stage.allow(token)
    leaf = bytes.fromhex("e5" * 20)
    flow.stage.watch(leaf)
    flow.give_out(leaf, delegated_at=flow.clock.now())
    flow.stage.mint(token, bytes.fromhex(flow.stage.chain.accounts()[0][2:]), 10)
    flow.stage.chain.mine()
    for units in (3, 4):
        flow.stage.pay_token(token, leaf, units)
    flow.stage.chain.mine(4)
    flow.make_vault(token)
    run(flow)
    (outgoing,) = outgoing_sweeps(flow)
    payload = outgoing["payload"]
    assert isinstance(payload, dict)
    (item,) = payload["items"]
    assert (item["units"], len(item["clearances"]), payload["delegate"]) == ("7", 2, [])
    assert flow.stage.balances()[f"client:treasury {TUSD}"] == 7
    sweep_id = outgoing["id"]
    assert isinstance(sweep_id, UUID)


def test_what_the_administrators_released_is_planned_again(flow: Flow):
    """P10: a sweep that was cancelled, or failed in part, leaves no deposit stuck for ever."""
    leaf = cleared_leaf(flow)
    flow.make_vault()
    run(flow)
    flow.change(
        "UPDATE outgoing SET state = 'cancelled', succeeded = true, nonce = 7,"
        " sender = decode(repeat('99', 20), 'hex'),"
        " mined_hash = decode(repeat('11', 32), 'hex'), mined_height = 3,"
        " mined_block_hash = decode(repeat('12', 32), 'hex') WHERE purpose = 'sweep'"
    )
    flow.plan()
    flow.plan()
    assert len(outgoing_sweeps(flow)) == 1
    (sweep,) = flow.stage.rows("SELECT ref FROM sweep")
    (deposit,) = flow.stage.rows("SELECT token FROM deposit")
    worker = flow.stage.connect("strongroom_worker", pool_size=1)
    with worker.unit(flow.stage.organisation, system("test")) as uow:
        assert deposits.release(uow, bytes(32), leaf, deposit["token"]) == 0
    with worker.unit(flow.stage.organisation, system("test")) as uow:
        assert deposits.release(uow, sweep["ref"], leaf, deposit["token"]) == 1
    flow.plan()
    assert len(outgoing_sweeps(flow)) == 2


def test_one_deposit_that_the_signer_refuses_does_not_hold_back_the_others():
    """P10: after a refusal each address has its turn alone, so every good one gets through."""
    rows = [Place(bytes([n]) * 20, None, ETH) for n in (3, 1, 2)]
    assert sweeps._in_turn(rows, 0) == rows
    turns = [sweeps._in_turn(rows, refused) for refused in range(1, 4)]
    assert sorted(row.address[0] for turn in turns for row in turn) == [1, 2, 3]
    assert all(len(turn) == 1 for turn in turns)
    assert sweeps._in_turn([], 5) == []

"""P2: at final blocks the books equal the chain; a difference freezes the account and alerts."""

from strongroom.db.actor import system
from strongroom.reconciliation import service as reconciliation
from strongroom.wallets import service as wallets
from tests.factories.chain_stage import ADDRESS, ETH, TUSD, VAULT
from tests.factories.deposit_stage import LEAF, Flow


def compare(flow: Flow) -> None:
    flow.deliver("reconciliation.run")


def rows(flow: Flow) -> dict[str, tuple[int, int, int]]:
    with flow.stage.connect(pool_size=1).read(flow.stage.organisation, system("test")) as uow:
        found = reconciliation.latest(uow)
    return {
        f"{row.address.hex()[:2]} {row.asset}": (row.ledger_units, row.chain_units, row.difference)
        for row in found
    }


def test_books_and_chain_agree_side_by_side(flow: Flow):
    flow.import_list()
    token = flow.stage.deploy_dollar()
    flow.stage.allow(token)
    flow.stage.mint(token, ADDRESS, 1_000_000)
    flow.stage.send(ADDRESS, 5)
    flow.stage.chain.mine(4)
    flow.stage.catch_up(flow.stage.follower())
    compare(flow)
    assert rows(flow) == {
        f"d0 {ETH}": (5, 5, 0),
        f"d0 {TUSD}": (1_000_000, 1_000_000, 0),
    }
    (run,) = flow.stage.rows("SELECT * FROM reconciliation_run WHERE part = ''")
    assert (run["accounts"], run["differences"]) == (2, 0)
    assert flow.stage.rows("SELECT * FROM custody_freeze") == []


def test_what_is_booked_after_the_final_block_does_not_count(flow: Flow):
    follower = flow.stage.follower()
    flow.stage.send(ADDRESS, 5)
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    flow.stage.send(ADDRESS, 7)
    flow.stage.chain.mine(1)
    flow.stage.catch_up(follower)
    assert flow.stage.balances()[f"{flow.stage.custody()} {ETH}"] == 12
    compare(flow)
    assert rows(flow) == {f"d0 {ETH}": (5, 5, 0)}


def test_money_that_left_without_an_order_freezes_the_account_and_alerts(flow: Flow):
    thief = bytes.fromhex("0bad" + "00" * 18)
    leaf = flow.stage.deploy(LEAF)
    flow.stage.watch(leaf)
    flow.stage.send(leaf, 5)
    flow.stage.chain.mine(4)
    follower = flow.stage.follower()
    flow.stage.catch_up(follower)
    compare(flow)
    flow.stage.send(leaf, data="0x" + thief.rjust(32, b"\0").hex(), gas="0x20000")
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    compare(flow)
    assert (5, 0, -5) in rows(flow).values()
    custody = flow.stage.custody(leaf)
    with flow.stage.connect(pool_size=1).unit(flow.stage.organisation, system("test")) as uow:
        assert wallets.is_frozen(uow, custody, ETH)
        (freeze,) = wallets.freezes(uow)
        assert "difference of -5" in freeze.reason
        wallets.lift_freeze(uow, freeze.id)
        assert not wallets.is_frozen(uow, custody, ETH)
    kinds = [row["kind"] for row in flow.stage.rows("SELECT kind FROM alert")]
    assert kinds == ["reconciliation.difference"]


def test_money_that_was_never_seen_shows_up(flow: Flow):
    """A value set past every transaction stands for a deposit that the indexer missed."""
    follower = flow.stage.follower()
    flow.stage.chain.rpc("anvil_setBalance", "0x" + ADDRESS.hex(), hex(9))
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    compare(flow)
    assert rows(flow) == {f"d0 {ETH}": (0, 9, 9)}
    assert len(flow.stage.rows("SELECT * FROM custody_freeze WHERE lifted_at IS NULL")) == 1


def test_a_standing_difference_is_frozen_and_told_once(flow: Flow):
    follower = flow.stage.follower()
    flow.stage.chain.rpc("anvil_setBalance", "0x" + ADDRESS.hex(), hex(9))
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    compare(flow)
    flow.stage.send(ADDRESS, 1)
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    compare(flow)
    assert len(flow.stage.rows("SELECT * FROM reconciliation_run WHERE differences = 1")) == 2
    assert len(flow.stage.rows("SELECT * FROM custody_freeze")) == 1
    assert len(flow.stage.rows("SELECT * FROM alert")) == 1


def test_the_same_block_is_compared_once(flow: Flow):
    flow.stage.send(ADDRESS, 5)
    flow.stage.chain.mine(4)
    flow.stage.catch_up(flow.stage.follower())
    compare(flow)
    (run,) = flow.stage.rows("SELECT * FROM reconciliation_run WHERE part = ''")
    worker = flow.stage.connect("strongroom_worker", pool_size=1)
    with worker.unit(None, system("test")) as uow:
        again = reconciliation.run(
            uow, run["chain_id"], run["height"], block_hash=run["block_hash"], part=run["part"]
        )
        assert again == 0
    assert len(flow.stage.rows("SELECT * FROM reconciliation_run WHERE part = ''")) == 1


def test_a_past_that_nobody_asked_to_read_shows_as_a_difference(flow: Flow):
    flow.stage.send(VAULT, 3)
    flow.stage.chain.mine(6)
    follower = flow.stage.follower()
    flow.stage.catch_up(follower)
    flow.stage.watch(VAULT, "vault")
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    compare(flow)
    assert rows(flow)[f"ab {ETH}"] == (0, 3, 3)
    late = bytes.fromhex("e7" * 20)
    flow.stage.send(late, 4)
    flow.stage.chain.mine(4)
    flow.stage.watch(late, "vault", scan_from_height=0)
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    compare(flow)
    assert rows(flow)[f"e7 {ETH}"] == (4, 4, 0), "asked for, it is read before it is judged"


def test_another_organisation_sees_no_rows(flow: Flow):
    flow.stage.send(ADDRESS, 5)
    flow.stage.chain.mine(4)
    flow.stage.catch_up(flow.stage.follower())
    compare(flow)
    stranger = flow.stage.rows("SELECT gen_random_uuid() AS id")[0]["id"]
    with flow.stage.connect(pool_size=1).read(stranger, system("test")) as uow:
        assert reconciliation.latest(uow) == []


def test_an_address_watched_before_the_blocks_to_read_again_is_compared_too(flow: Flow):
    key = bytes.fromhex("e7" * 20)
    flow.stage.watch(key, "vault", scan_from_height=50)
    flow.stage.send(key, 4)
    flow.stage.chain.mine(4)
    flow.stage.catch_up(flow.stage.follower())
    compare(flow)
    assert rows(flow)[f"e7 {ETH}"] == (4, 4, 0)

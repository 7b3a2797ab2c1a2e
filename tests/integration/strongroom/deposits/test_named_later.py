"""A token that the policy names after it came: kept and shown before, booked and screened after."""

from strongroom.db.actor import system
from strongroom.deposits import service as deposits
from tests.factories.chain_stage import ADDRESS, TUSD
from tests.factories.deposit_stage import Flow


def kept(flow: Flow, units: int = 7) -> bytes:
    """Deposits of a token that nobody named."""
    flow.import_list()
    token = flow.stage.deploy_dollar()
    flow.stage.mint(token, bytes.fromhex(flow.stage.chain.accounts()[0][2:]), 100)
    flow.stage.chain.mine()
    flow.stage.pay_token(token, ADDRESS, units)
    flow.stage.chain.mine()
    flow.stage.catch_up(flow.stage.follower())
    return token


def test_what_was_kept_is_credited_once_the_policy_names_the_token(flow: Flow):
    token = kept(flow)
    (row,) = flow.stage.rows("SELECT disposition, asset FROM deposit")
    assert (row["disposition"], row["asset"]) == ("unknown_token", None)
    assert flow.stage.balances() == {}
    worker = flow.stage.connect("strongroom_worker", pool_size=1)
    flow.look()
    assert flow.stage.balances() == {}, "nobody named it yet"
    flow.stage.allow(b"\x71" * 20, "OTHER/6")
    with worker.read(None, system("test")) as uow:
        assert deposits.unbooked(uow, flow.stage.chain.chain_id) == set(), "another token"
    flow.stage.allow(token)
    expected = {(flow.stage.organisation, flow.stage.custody(), token)}
    with worker.read(None, system("test")) as uow:
        assert deposits.unbooked(uow, flow.stage.chain.chain_id) == expected
    flow.look()
    flow.settle()
    assert flow.stage.balances() == {
        f"{flow.stage.custody()} {TUSD}": 7,
        f"client:treasury {TUSD}": 7,
    }
    with worker.read(None, system("test")) as uow:
        assert deposits.unbooked(uow, flow.stage.chain.chain_id) == set()
    flow.clock.advance(60)
    flow.look()
    assert flow.stage.balances()[f"client:treasury {TUSD}"] == 7, "once"
    flow.stage.assert_sound()


def test_a_fork_takes_it_back_like_any_other(flow: Flow):
    token = kept(flow)
    flow.stage.allow(token)
    flow.look()
    flow.settle()
    flow.stage.chain.rpc("anvil_reorg", 1, [])
    flow.stage.chain.mine()
    flow.stage.catch_up(flow.stage.follower())
    assert flow.stage.balances() == {}
    flow.stage.assert_sound()

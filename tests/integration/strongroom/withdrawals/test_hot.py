"""A hot key pays by the online signer, at most its float, and its gas is its organisation's."""

from collections.abc import Iterator
from typing import Any

import pytest

from strongroom.signing.client import SignerClient
from strongroom.withdrawals.errors import VaultShort
from strongroom.withdrawals.spending import SpendingLoop
from tests.factories.house import ETH
from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.spending_keys import LONG, Spending, spending_keys
from tests.integration.strongroom.withdrawals.test_voiding import cancel

HAPPY = [
    "screening", "queued", "awaiting_approval", "approved", "binding", "broadcast", "mined",
    "finalized",
]  # fmt: skip


@pytest.fixture(scope="module")
def keys(stage: Stage) -> Iterator[Spending]:
    with spending_keys(stage) as found:
        yield found


def check_books(keys: Spending) -> None:
    """P3: to the unit and to the wei, gas included."""
    for books, chain in keys.books_and_chain(keys.hot).values():
        assert books == chain
    assert (keys.stage.held(), keys.stage.held(ETH)) == (0, 0)


def test_a_hot_key_pays_a_token_and_its_gas(keys: Spending):
    stage, before = keys.stage, keys.stage.available(ETH)
    view = keys.order("hot-1", keys.hot, amount="250.5")
    assert (view.wallet, view.wallet_kind, view.safe_nonce) == (keys.hot, "hot", None)
    assert (stage.held(), stage.held(ETH)) == (250_500_000, 10**17)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.states(view.id) == HAPPY
    assert stage.house.units(stage.cast.supplier) == 250_500_000
    assert 0 < before - stage.available(ETH) < 10**15
    check_books(keys)


def test_it_pays_the_coin_and_gas_from_the_same_account(keys: Spending):
    stage = keys.stage
    view = keys.order("hot-2", keys.hot, asset=ETH, amount="0.5")
    assert stage.held(ETH) == 5 * 10**17 + 10**17
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    check_books(keys)


def test_payments_of_a_hot_key_do_not_wait_for_each_other(keys: Spending):
    stage = keys.stage
    wish = {"from_wallet": keys.hot, "valid_for_seconds": LONG, "max_fee_wei": str(10**17)}
    views = [stage.awaiting(f"hot-many-{n}", amount="1", **wish) for n in range(3)]
    for view in views:
        stage.approve(view.id, stage.cast.amir)
        stage.approve(view.id, stage.cast.bea)
    stage.drive(
        until=lambda: {stage.view(one.id).state for one in views} == {"broadcast"},
        parts="spending relay",
    )
    stage.drive(until=lambda: {stage.view(one.id).state for one in views} == {"finalized"})
    check_books(keys)


def test_more_than_its_float_is_denied_and_more_than_it_holds_is_refused(keys: Spending):
    stage = keys.stage
    denied = stage.order("above-float", from_wallet=keys.hot, amount="2000.000001")
    assert (denied.state, denied.rule_id) == ("rejected", "float")
    with pytest.raises(VaultShort, match="with the gas that it may cost"):
        stage.order(
            "above-all", from_wallet=keys.hot, asset=ETH, amount="1", max_fee_wei=str(10**18)
        )
    assert (stage.held(), stage.held(ETH)) == (0, 0)


def test_what_a_wallet_has_promised_to_one_order_is_not_there_for_the_next(keys: Spending):
    """The account has more, elsewhere: it is the wallet that would have come short at its turn."""
    stage = keys.stage
    wish: dict[str, Any] = {"from_wallet": keys.hot, "max_fee_wei": str(10**17)}
    first = stage.order("promised 1", amount="900", **wish)
    assert stage.available() > 2_000 * 10**6
    with pytest.raises(VaultShort, match="what it has promised to other orders is not free"):
        stage.order("promised 2", amount="900", **wish)
    cancel(stage, first.id)
    second = stage.order("promised 2", amount="900", **wish)
    cancel(stage, second.id)
    assert (stage.held(), stage.held(ETH)) == (0, 0)


def test_a_signer_that_is_away_makes_it_wait(keys: Spending):
    stage, view = keys.stage, keys.order("hot-away", keys.hot, amount="1")
    nobody = SignerClient(stage.house.folder / "nobody.sock", timeout_seconds=1)
    assert not SpendingLoop(stage.house.role("relay"), nobody, 5).step()  # another chain's loop
    assert SpendingLoop(stage.house.role("relay"), nobody, stage.chain.chain_id).step()
    waits = stage.view(view.id)
    assert waits.state == "approved"
    assert "signer does not answer" in waits.reason
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    check_books(keys)


def test_a_cancel_before_it_is_bound_frees_everything_at_once(keys: Spending):
    stage, view = keys.stage, keys.order("hot-early", keys.hot, amount="1")
    cancel(stage, view.id)
    assert stage.view(view.id).state == "cancelled"
    check_books(keys)


def test_a_cancelled_transaction_is_replaced_and_only_its_gas_is_gone(keys: Spending):
    stage, paid = keys.stage, keys.stage.house.units(keys.stage.cast.supplier)
    view = keys.order("hot-late", keys.hot, amount="2")
    stage.drive(until=lambda: stage.view(view.id).state == "broadcast", parts="spending relay")
    cancel(stage, view.id)
    assert (stage.view(view.id).state, stage.held()) == ("voiding", 2_000_000)
    stage.drive(until=lambda: _replaced(stage, view.id), parts="spending relay")
    stage.drive(until=lambda: stage.view(view.id).state == "cancelled")
    assert stage.house.units(stage.cast.supplier) == paid
    check_books(keys)
    after = keys.order("hot-after", keys.hot, amount="3")
    stage.drive(until=lambda: stage.view(after.id).state == "finalized")


def _replaced(stage: Stage, withdrawal_id: object) -> bool:
    rows = stage.house.query(
        "SELECT count(*) FROM outgoing_attempt a JOIN withdrawal w ON w.outgoing_id = a.outgoing_id"
        " WHERE w.id = %s AND a.kind = 'cancel' AND a.first_broadcast_at IS NOT NULL",
        withdrawal_id,
    )
    return rows == [(1,)]


def test_what_reverts_frees_the_money_because_its_nonce_is_used(keys: Spending):
    """The token's code is gone when it is mined. Unlike a Safe's, its nonce can't pay any more."""
    stage = keys.stage
    view = keys.order("hot-revert", keys.hot, amount="4")
    stage.drive(until=lambda: stage.view(view.id).state == "broadcast", parts="spending relay")
    code = stage.chain.rpc("eth_getCode", stage.house.dollar, "latest")
    stage.chain.rpc("anvil_setCode", stage.house.dollar, "0x60006000fd")
    stage.chain.mine()
    stage.chain.rpc("anvil_setCode", stage.house.dollar, code)
    stage.drive(until=lambda: stage.view(view.id).state == "failed")
    assert "The transaction was mined and reverted" in stage.view(view.id).reason
    check_books(keys)


def test_a_reorganisation_sends_the_same_bytes_again(keys: Spending):
    stage, paid = keys.stage, keys.stage.house.units(keys.stage.cast.supplier)
    view = keys.order("hot-reorganised", keys.hot, amount="5")
    stage.drive(until=lambda: stage.view(view.id).state == "mined")
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.drive(until=lambda: stage.view(view.id).state == "broadcast", parts="indexer chain")
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.house.units(stage.cast.supplier) == paid + 5_000_000
    check_books(keys)

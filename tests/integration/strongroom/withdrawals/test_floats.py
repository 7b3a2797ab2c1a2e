"""P4: what a hot wallet lacks or has too much of is proposed, ordered and approved as any payment;
all that is there can be sent, and gas has three levels.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from strongroom.db.actor import system
from strongroom.kit.errors import StrongroomError
from strongroom.withdrawals import fee_levels, floats
from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.fee_levels import FeeLoop
from strongroom.withdrawals.requests import Wish
from strongroom_protocol.addresses import parse_address
from tests.factories.house import ETH, TUSD, sign
from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.spending_keys import Spending, spending_keys

FEE = 10**17


@pytest.fixture(scope="module")
def keys(stage: Stage) -> Iterator[Spending]:
    with spending_keys(stage) as found:
        rules = stage.bundle()["rules"]
        own = {**rules[-1], "id": "own", "when": {"destinations": "own_wallets"}}
        stage.update_policy(rules=[*rules, own])
        yield found


def set_float(keys: Spending, minimum: str, target: str, maximum: str, asset: str = TUSD) -> Any:
    with keys.stage.unit() as uow:
        return floats.set_float(
            uow,
            wallet=parse_address(keys.hot),
            asset=asset,
            minimum=minimum,
            target=target,
            maximum=maximum,
        )


def look(stage: Stage) -> list[floats.ProposalView]:
    """What the beat does, and what is proposed then."""
    for _ in range(2):
        with stage.house.role("worker").unit(stage.id, system("worker")) as uow:
            assert stage.id in floats.organisations(uow)
            floats.look(uow, stage.id)
    with stage.unit() as uow:
        return floats.proposals(uow)


def test_below_the_minimum_a_payment_from_the_vault_is_proposed_once(keys: Spending):
    view = set_float(keys, "2100", "2500", "3000")
    assert (view.lies, view.version) == ("2000", 1)
    (one,) = look(keys.stage)
    assert (one.kind, one.amount, one.payer, one.to) == ("refill", "500", None, keys.hot)
    assert one.withdrawal is None
    with keys.stage.unit() as uow:
        drafted = withdrawals.prepare(
            uow, asset=one.asset, to=one.to, amount=one.amount, reference=one.reference
        )
    assert drafted.fields["wallet"].lower() == "0x" + keys.stage.vault.address.hex()


def test_a_proposal_that_is_not_asked_for_any_more_is_closed(keys: Spending):
    set_float(keys, "100", "1000", "3000")
    assert look(keys.stage) == []


def test_above_the_maximum_money_goes_back_by_the_peoples_approval(keys: Spending):
    stage, in_vault = keys.stage, keys.stage.house.units(keys.stage.vault.address)
    set_float(keys, "100", "1800", "1900")
    (one,) = look(stage)
    assert (one.kind, one.amount, one.payer) == ("return", "200", keys.hot)
    assert "above its maximum of 1900 TUSD" in one.sentence
    view = keys.order(one.reference, keys.hot, amount=one.amount, to=one.to)
    (same,) = look(stage)
    assert same.withdrawal == view.id, "while its order is on its way nothing else is proposed"
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.house.units(stage.vault.address) == in_vault + 200_000_000
    assert look(stage) == []


def test_a_float_that_ended_asks_for_nothing(keys: Spending):
    set_float(keys, "5000", "6000", "7000")
    assert len(look(keys.stage)) == 1
    set_float(keys, "0", "0", "0")
    assert look(keys.stage) == []
    with keys.stage.unit() as uow:
        assert floats.floats(uow) == []


@pytest.mark.parametrize("limits", [("3", "2", "4"), ("1", "5", "4")])
def test_limits_rise(keys: Spending, limits: tuple[str, str, str]):
    with pytest.raises(StrongroomError, match="rising order"):
        set_float(keys, *limits)


def test_a_float_is_for_a_hot_wallet(keys: Spending):
    with keys.stage.unit() as uow, pytest.raises(StrongroomError, match="no hot wallet"):
        floats.set_float(
            uow,
            wallet=parse_address(keys.cold),
            asset=TUSD,
            minimum="1",
            target="1",
            maximum="1",
        )


def test_all_of_the_coin_is_what_is_there_less_the_gas_that_is_held(keys: Spending):
    stage = keys.stage
    first = keys.order("nearly all", keys.hot, asset=ETH, amount="0.95")
    stage.drive(until=lambda: stage.view(first.id).state == "finalized")
    lies = stage.available(ETH, keys.custody(keys.hot))
    view = keys.order("all the coin", keys.hot, asset=ETH, amount="all", max_fee_wei=str(FEE))
    assert view.fields["units"] == str(lies - FEE)
    with stage.unit() as uow, pytest.raises(StrongroomError, match="Nothing of ETH/18 is free"):
        withdrawals.prepare(
            uow,
            asset=ETH,
            to=stage.cast.supplier,
            amount="all",
            reference="promised",
            from_wallet=keys.hot,
            max_fee_wei="1",
        )
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    left = stage.available(ETH, keys.custody(keys.hot))
    assert left == stage.house.node.balance(parse_address(keys.hot))
    assert 0 < left < FEE
    with stage.unit() as uow, pytest.raises(StrongroomError, match="once its gas is paid"):
        withdrawals.prepare(
            uow,
            asset=ETH,
            to=stage.cast.supplier,
            amount="all",
            reference="nothing left",
            from_wallet=keys.hot,
            max_fee_wei=str(FEE),
        )


def test_all_of_a_token_is_the_whole_of_it(keys: Spending):
    stage = keys.stage
    with stage.unit() as uow:
        wish: Wish = {"asset": TUSD, "to": stage.cast.supplier, "amount": "all", "reference": "x"}
        wish["from_wallet"] = keys.cold
        drafted = withdrawals.prepare(uow, **wish)
        wish["from_wallet"] = None
        of_vault = withdrawals.prepare(uow, **wish)
    assert drafted.fields["units"] == str(stage.available(TUSD, keys.custody(keys.cold)))
    vault = f"custody:{stage.chain.chain_id}:0x{stage.vault.address.hex()}"
    least = min(stage.available(TUSD), stage.available(TUSD, vault))
    assert of_vault.fields["units"] == str(least)


def test_three_levels_say_what_gas_may_cost(keys: Spending):
    stage = keys.stage
    loop = FeeLoop(stage.house.role("relay"), stage.house.node, stage.chain.chain_id)
    assert loop.step() is False
    with stage.house.role("relay").unit(None, system("test")) as uow:
        uow.execute("UPDATE fee_quote SET fast_wei = fast_wei + 1000000000")
    with stage.unit() as uow:
        found = withdrawals.fees(uow, keys.hot)
        assert found is not None
        slow, normal, fast = found[1]
        wish: Wish = {"asset": TUSD, "to": stage.cast.supplier, "amount": "1", "reference": "l"}
        wish["from_wallet"], wish["fee_level"] = keys.hot, "fast"
        drafted = withdrawals.prepare(uow, **wish)
    assert [one.name for one in found[1]] == list(fee_levels.LEVELS)
    assert 0 < slow.priority_fee_wei <= normal.priority_fee_wei <= fast.priority_fee_wei
    assert slow.max_fee_wei <= normal.max_fee_wei < fast.max_fee_wei
    assert drafted.fields["maxFeeWei"] == str(fast.max_fee_wei)
    assert fast.max_fee_wei == fast.max_fee_per_gas_wei * 100_000


def test_memo_and_level_are_kept_and_no_part_of_what_is_signed(stage: Stage):
    with stage.unit() as uow:
        drafted = withdrawals.prepare(
            uow, asset=TUSD, to=stage.cast.supplier, amount="2", reference="with a memo"
        )
        view = withdrawals.request(
            uow,
            fields=drafted.fields,
            initiator_signature=sign(stage.cast.ines, drafted.typed_data),
            memo="For the pumps, order 17",
            fee_level="slow",
        )
    assert (view.memo, view.fee_level) == ("For the pumps, order 17", "slow")
    stage.drive(until=lambda: stage.view(view.id).state == "awaiting_approval")
    with stage.unit() as uow:
        data = withdrawals.signing_data(uow, view.id)
    assert "pumps" not in str(data.typed) + str(data.payment)
    stage.approve(view.id, stage.cast.amir)
    stage.approve(view.id, stage.cast.bea)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    (level,) = stage.house.query(
        "SELECT fee_level FROM outgoing JOIN withdrawal_permit ON outgoing.id = outgoing_id"
        f" WHERE withdrawal_id = '{view.id}'"
    )
    assert level == ("slow",)

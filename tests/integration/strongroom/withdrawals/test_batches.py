"""P1, P4: several payments in one Safe transaction: each approved by itself, all paid or none."""

import threading
import time
from uuid import UUID

import pytest

from strongroom.kit.errors import StrongroomError
from strongroom.withdrawals import batches, repository
from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.types import WithdrawalView
from tests.factories.house import ETH
from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.test_voiding import LONG, cancel

PAID = ["screening", "queued", "awaiting_approval", "approved", "binding", "signed", "broadcast",
        "mined", "finalized"]  # fmt: skip


def batch(stage: Stage, *amounts: str, prefix: str, valid_for_seconds: int = LONG) -> list[UUID]:
    """Orders of these amounts, put together and shown to their approvers."""
    ids = [
        stage.order(f"{prefix} {i}", amount=amount, valid_for_seconds=valid_for_seconds).id
        for i, amount in enumerate(amounts)
    ]
    together(stage, ids)
    stage.drive(until=lambda: all(stage.view(one).state == "awaiting_approval" for one in ids))
    return ids


def together(stage: Stage, ids: list[UUID]) -> list[WithdrawalView]:
    with stage.unit() as uow:
        return withdrawals.put_together(uow, ids)


def approve(stage: Stage, *ids: UUID) -> None:
    for one in ids:
        stage.approve(one, stage.cast.amir)
        stage.approve(one, stage.cast.bea)


def all_are(stage: Stage, ids: list[UUID], state: str) -> bool:
    return all(stage.view(one).state == state for one in ids)


def outgoing(stage: Stage, *ids: UUID) -> int:
    """How many transactions carry these payments."""
    rows = stage.house.query("SELECT withdrawal_id, outgoing_id FROM withdrawal_permit")
    return len({out for one, out in rows if one in ids})


def test_who_waited_while_a_batch_was_formed_locks_all_of_it(stage: Stage):
    """Else two verdicts at once would each see the other's payment as not screened yet."""
    ids = [stage.order(f"formed {i}", amount=f"{i + 1}", valid_for_seconds=LONG).id for i in (0, 1)]
    locked, looked = threading.Event(), threading.Event()

    def wait() -> None:
        with stage.unit() as uow:
            assert uow.organisation_id is not None
            repository.lock(uow, uow.organisation_id, ids[1])
            locked.set()
            looked.wait(20)

    waiting = threading.Thread(target=wait)
    with stage.unit() as uow:
        withdrawals.put_together(uow, ids)
        waiting.start()
        time.sleep(1)
        assert not locked.is_set()
    assert locked.wait(20)
    free = f"SELECT id FROM withdrawal WHERE id = '{ids[0]}' FOR UPDATE SKIP LOCKED"
    assert stage.house.query(free) == []
    looked.set()
    waiting.join(20)
    for one in ids:
        cancel(stage, one)


def test_who_is_left_by_a_batch_that_was_never_complete_has_its_turn(stage: Stage):
    holder = stage.order("left holder", amount="1", valid_for_seconds=LONG).id
    stage.drive(until=lambda: stage.view(holder).state == "awaiting_approval")
    left = stage.order("left", amount="2", valid_for_seconds=LONG).id
    stage.drive(until=lambda: stage.view(left).state == "queued")
    unscreened = stage.order("left unscreened", amount="3", valid_for_seconds=LONG).id
    together(stage, [left, unscreened])
    cancel(stage, holder)
    cancel(stage, unscreened)
    stage.drive(until=lambda: stage.view(left).state == "awaiting_approval")
    cancel(stage, left)


def test_payments_are_paid_by_one_transaction_and_booked_each_by_itself(stage: Stage):
    before, paid = stage.available(), stage.house.units(stage.cast.supplier)
    ids = batch(stage, "10", "20.5", prefix="together")
    coin = stage.order("together coin", asset=ETH, amount="0.5", valid_for_seconds=LONG).id
    hashes = {stage.view(one).safe_tx_hash for one in ids}
    assert len(hashes) == 1
    assert {stage.view(one).safe_nonce for one in ids} == {0}
    with stage.unit() as uow:
        seen = withdrawals.what_is_seen(uow, ids[0])
    assert seen is not None
    assert seen.decoded is not None
    assert len(seen.decoded.lines) == 2
    approve(stage, ids[0])
    stage.drive(until=lambda: stage.view(coin).state == "queued")
    assert all_are(stage, ids[:1], "approved")
    assert stage.held() == 30_500_000
    approve(stage, ids[1])
    stage.drive(until=lambda: all_are(stage, ids, "finalized"))
    assert all(stage.states(one) == PAID for one in ids)
    assert outgoing(stage, *ids) == 1
    assert stage.house.units(stage.cast.supplier) == paid + 30_500_000
    assert (stage.held(), stage.available()) == (0, before - 30_500_000)
    stage.drive(until=lambda: stage.view(coin).state == "awaiting_approval")
    assert stage.view(coin).safe_nonce == 1
    approve(stage, coin)
    stage.drive(until=lambda: stage.view(coin).state == "finalized")


def test_together_they_cost_less_gas_than_one_after_the_other(stage: Stage):
    alone = stage.approved("alone", amount="1", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(alone.id).state == "finalized")
    ids = batch(stage, "2", "3", prefix="cheaper")
    approve(stage, *ids)
    stage.drive(until=lambda: all_are(stage, ids, "finalized"))
    used = [_gas(stage, stage.view(one).tx_hash) for one in (alone.id, ids[0])]
    assert used[1] < 2 * used[0] * 3 // 4
    assert used[1] <= batches.BASE_GAS + 2 * batches.ITEM_GAS


def _gas(stage: Stage, tx_hash: bytes | None) -> int:
    assert tx_hash is not None
    receipt = stage.chain.rpc("eth_getTransactionReceipt", "0x" + tx_hash.hex())
    assert isinstance(receipt, dict)
    return int(receipt["gasUsed"], 16)


def test_who_leaves_takes_the_batch_apart_and_the_others_go_on_alone(stage: Stage):
    ids = batch(stage, "4", "5", "6", prefix="leaving")
    approve(stage, ids[0], ids[2])
    cancel(stage, ids[1])
    assert stage.view(ids[1]).state == "cancelled"
    assert [stage.view(one).batch for one in ids] == [None, None, None]
    stage.drive(until=lambda: stage.view(ids[0]).state == "awaiting_approval")
    assert stage.view(ids[0]).approvals == (), "what was signed for the batch counts no more"
    assert stage.view(ids[2]).state == "queued"
    approve(stage, ids[0])
    stage.drive(until=lambda: stage.view(ids[2]).state == "awaiting_approval")
    approve(stage, ids[2])
    stage.drive(until=lambda: stage.view(ids[2]).state == "finalized")
    assert stage.held() == 0
    assert outgoing(stage, ids[0], ids[2]) == 2


def test_an_approval_of_one_alone_is_void_in_a_batch(stage: Stage):
    first = stage.awaiting("alone at first", amount="7", valid_for_seconds=LONG)
    stage.approve(first.id, stage.cast.amir)
    second = stage.order("joins", amount="8", valid_for_seconds=LONG)
    ids = [first.id, second.id]
    together(stage, ids)
    stage.drive(until=lambda: all_are(stage, ids, "awaiting_approval"))
    assert stage.view(first.id).approvals == ()
    approve(stage, *ids)
    stage.drive(until=lambda: all_are(stage, ids, "finalized"))


def test_after_the_permit_one_cancel_voids_all_and_frees_the_money_at_finality(stage: Stage):
    paid = stage.house.units(stage.cast.supplier)
    ids = batch(stage, "9", "11", prefix="voided", valid_for_seconds=3_600)
    approve(stage, *ids)
    stage.drive(until=lambda: all_are(stage, ids, "signed"), parts="permits")
    stage.chain.rpc("evm_increaseTime", 7_200)
    cancel(stage, ids[1])
    assert all_are(stage, ids, "voiding")
    assert stage.held() == 20_000_000
    stage.approve(ids[1], stage.cast.amir)
    stage.approve(ids[0], stage.cast.bea)
    stage.drive(until=lambda: stage.view(ids[1]).state == "cancelled")
    assert stage.view(ids[0]).state == "failed"
    assert stage.held() == 0
    assert stage.house.units(stage.cast.supplier) == paid


def test_a_reorganisation_reopens_all_and_they_are_paid_once(stage: Stage):
    paid = stage.house.units(stage.cast.supplier)
    ids = batch(stage, "12", "13", prefix="reorganised batch")
    approve(stage, *ids)
    stage.drive(until=lambda: all_are(stage, ids, "mined"))
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.drive(until=lambda: all_are(stage, ids, "finalized"))
    assert stage.house.units(stage.cast.supplier) == paid + 25_000_000
    assert stage.held() == 0


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        (("1.5",), "2 to 32"),
        (("1.6", "1.6"), "alike"),
    ],
)
def test_what_is_no_batch_is_said_in_words(stage: Stage, amounts: tuple[str, ...], words: str):
    ids = [
        stage.order(f"no batch {words} {i}", amount=amount).id for i, amount in enumerate(amounts)
    ]
    with pytest.raises(StrongroomError, match=words) as caught:
        together(stage, ids)
    assert caught.value.code == "withdrawal.batch_wrong"
    for one in ids:
        cancel(stage, one)


def test_an_approved_payment_joins_no_batch(stage: Stage):
    first = stage.approved("approved already", amount="1.7", valid_for_seconds=LONG)
    second = stage.order("would join", amount="1.8", valid_for_seconds=LONG)
    with pytest.raises(StrongroomError, match="before they are approved"):
        together(stage, [first.id, second.id])
    cancel(stage, second.id)
    stage.drive(until=lambda: stage.view(first.id).state == "finalized")

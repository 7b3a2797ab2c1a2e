"""What the signer may have permitted is let go only by a mined transaction with the same nonce."""

import pytest
import rlp

from strongroom.kit.errors import StrongroomError
from strongroom.withdrawals import service as withdrawals
from strongroom_protocol.hashing import keccak256
from tests.factories.house import TUSD, sign
from tests.factories.stage import Stage

LONG = 20 * 86_400


def test_a_payment_that_reverts_is_voided_by_the_people_before_its_money_is_free(stage: Stage):
    """Fact 2: a SafeTx that failed stays payable until its nonce is consumed."""
    view = stage.approved("too late for the chain", amount="70", valid_for_seconds=3_600)
    stage.drive(until=lambda: stage.view(view.id).state == "signed", parts="permits")
    stage.chain.rpc("evm_increaseTime", 7_200)
    stage.drive(until=lambda: stage.view(view.id).state == "voiding")
    assert stage.states(view.id)[-2:] == ["broadcast", "voiding"]
    assert stage.held() == 70_000_000
    assert stage.house.units(stage.cast.supplier) == 0
    with stage.unit() as uow:
        data = withdrawals.signing_data(uow, view.id)
    assert (data.kind, data.payment) == ("rejection", None)
    assert data.typed["message"]["to"] == data.typed["domain"]["verifyingContract"]
    assert data.typed["message"]["nonce"] == str(view.safe_nonce)
    stage.approve(view.id, stage.cast.amir)
    assert stage.held() == 70_000_000
    stage.approve(view.id, stage.cast.ivo)
    stage.drive(until=lambda: stage.view(view.id).state == "failed")
    assert stage.held() == 0
    assert stage.house.units(stage.cast.supplier) == 0


def test_the_nonce_after_a_voided_one_pays(stage: Stage):
    view = stage.approved("after the void", amount="3", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert view.safe_nonce == 1
    assert stage.house.units(stage.cast.supplier) == 3_000_000


def test_a_cancel_before_the_permit_frees_the_money_at_once(stage: Stage):
    view = stage.approved("cancelled early", amount="4", valid_for_seconds=LONG)
    cancel(stage, view.id)
    assert (stage.view(view.id).state, stage.held()) == ("cancelled", 0)


def test_a_cancel_after_the_permit_keeps_the_money_held_and_what_is_mined_counts(stage: Stage):
    paid = stage.house.units(stage.cast.supplier)
    view = stage.approved("cancelled late", amount="5", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(view.id).state == "signed", parts="permits")
    cancel(stage, view.id)
    assert (stage.view(view.id).state, stage.held()) == ("voiding", 5_000_000)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.held() == 0
    assert stage.house.units(stage.cast.supplier) == paid + 5_000_000


def test_a_mined_payment_can_not_be_taken_back(stage: Stage):
    view = stage.approved("mined", amount="6", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(view.id).state in ("mined", "finalized"))
    with pytest.raises(StrongroomError) as caught:
        cancel(stage, view.id)
    assert caught.value.code == "withdrawal.not_cancellable"
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


def test_payments_of_one_vault_take_their_nonces_one_after_the_other(stage: Stage):
    first = stage.awaiting("first in line", amount="1", valid_for_seconds=LONG)
    second = stage.order("second in line", amount="2", asset=TUSD, valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(second.id).state == "queued")
    assert "first in line" in stage.view(second.id).reason
    stage.approve(first.id, stage.cast.amir)
    stage.approve(first.id, stage.cast.bea)
    stage.drive(until=lambda: stage.view(second.id).state == "awaiting_approval")
    later, earlier = stage.view(second.id).safe_nonce, stage.view(first.id).safe_nonce
    assert later is not None
    assert earlier is not None
    assert later == earlier + 1
    stage.approve(second.id, stage.cast.bea)
    stage.approve(second.id, stage.cast.ivo)
    stage.drive(until=lambda: stage.view(second.id).state == "finalized")


def test_a_reorganisation_reopens_a_mined_payment_and_it_is_paid_once(stage: Stage):
    paid = stage.house.units(stage.cast.supplier)
    view = stage.approved("reorganised", amount="8", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(view.id).state == "mined")
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.drive(until=lambda: stage.view(view.id).state == "broadcast", parts="indexer chain")
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.house.units(stage.cast.supplier) == paid + 8_000_000
    assert stage.states(view.id)[-4:] == ["mined", "broadcast", "mined", "finalized"]


def test_a_stranger_who_sends_our_execution_first_pays_what_was_approved_once(stage: Stage):
    """Anybody may send a signed Safe transaction; the vault's event tells, not the sender."""
    paid = stage.house.units(stage.cast.supplier)
    view = stage.approved("front-run", amount="12", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(view.id).state == "signed", parts="permits")
    stage.drive(until=lambda: stage.view(view.id).state == "broadcast", parts="relay")
    ((raw,),) = stage.house.query(
        "SELECT a.raw FROM outgoing_attempt a JOIN outgoing o ON o.id = a.outgoing_id"
        " WHERE o.purpose = 'vault_execution' ORDER BY o.id DESC LIMIT 1"
    )
    stage.chain.rpc("anvil_dropAllTransactions")
    fields = rlp.decode(bytes(raw)[1:])
    stranger = stage.chain.accounts()[5]
    copied = {"from": stranger, "to": "0x" + fields[5].hex(), "data": "0x" + fields[7].hex()}
    stage.house.send(copied)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.house.units(stage.cast.supplier) == paid + 12_000_000
    assert stage.held() == 0
    follower = stage.approved("after the front-run", amount="1", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(follower.id).state == "finalized")


def test_a_look_alike_contract_that_claims_our_execution_is_not_believed(stage: Stage):
    """It emits ExecutionSuccess with our hash and touches the vault, before the vault executes."""
    view = stage.approved("claimed by another", amount="13", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(view.id).state == "signed", parts="permits")
    assert view.safe_tx_hash is not None
    event = keccak256(b"ExecutionSuccess(bytes32,uint256)")
    code = b"\x7f" + view.safe_tx_hash + b"\x7f" + event + bytes.fromhex("60206000a2")
    code += bytes.fromhex("6000600060006000600173") + stage.vault.address + bytes.fromhex("5af100")
    liar = stage.chain.accounts()[6]
    stage.house.send({"from": liar, "data": "0x" + code.hex(), "value": "0x1"})
    stage.chain.mine(4)
    stage.index()
    assert stage.house.query("SELECT 1 FROM chain_transfer WHERE units = 1") == [(1,)]
    assert (stage.view(view.id).state, stage.held()) == ("signed", 13_000_000)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.held() == 0


def cancel(stage: Stage, withdrawal_id) -> None:
    with stage.unit() as uow:
        data = withdrawals.rejection_data(uow, withdrawal_id, "no longer needed")
        signature = sign(stage.cast.ines, data)
        withdrawals.cancel(uow, withdrawal_id, reason="no longer needed", signature=signature)

"""P1, P4: a withdrawal from the initiator's signature to the final block, on real parts."""

from strongroom.db.actor import system
from strongroom.kit.ids import HOUSE
from strongroom.ledger import service as ledger
from strongroom.signing.client import SignerClient
from strongroom.vaults import service as vaults
from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.permits import PermitLoop
from tests.factories.house import TUSD
from tests.factories.stage import Stage

HAPPY = [
    "screening", "queued", "awaiting_approval", "approved", "binding", "signed", "broadcast",
    "mined", "finalized",
]  # fmt: skip


def test_an_approved_payment_is_mined_once_and_booked_out_at_finality(stage: Stage):
    before, in_vault = stage.available(), stage.house.units(stage.vault.address)
    view = stage.approved("invoice-1", amount="250.5")
    assert view.state == "approved"
    assert stage.held() == 250_500_000
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.states(view.id) == HAPPY
    assert stage.house.units(stage.cast.supplier) == 250_500_000
    assert stage.house.units(stage.vault.address) == in_vault - 250_500_000
    assert (stage.held(), stage.available()) == (0, before - 250_500_000)
    custody = f"custody:{stage.chain.chain_id}:0x{stage.vault.address.hex()}"
    assert stage.available(TUSD, custody) == in_vault - 250_500_000


def test_gas_is_booked_to_the_wei_in_the_houses_own_books(stage: Stage):
    """P2: what the relay's key holds on chain is what the house's books say."""
    with stage.house.role("relay").read(HOUSE, system("test")) as uow:
        relay = vaults.platform(uow, stage.chain.chain_id).relay
        books = {one.code: one.posted for one in ledger.balances(uow, HOUSE)}
    on_chain = stage.house.node.balance(relay)
    assert books[f"custody:{stage.chain.chain_id}:0x{relay.hex()}"] == on_chain
    assert books["house:gas"] == books["house:equity"] - on_chain > 0


def test_a_signer_that_is_away_makes_an_approved_payment_wait(stage: Stage):
    view = stage.approved("signer away", amount="1")
    nobody = SignerClient(stage.house.folder / "nobody.sock", timeout_seconds=1)
    assert not PermitLoop(stage.house.role("relay"), nobody, 5).step()  # another chain's loop
    assert PermitLoop(stage.house.role("relay"), nobody, stage.chain.chain_id).step()
    waiting = stage.view(view.id)
    assert waiting.state == "approved"
    assert "signer does not answer" in waiting.reason
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


def test_an_approver_sees_who_is_paid_how_much_from_the_signed_bytes(stage: Stage):
    """P5: the readable twin repeats what the Safe transaction does, and names its hash."""
    view = stage.awaiting("readable", amount="2")
    with stage.unit() as uow:
        data = withdrawals.signing_data(uow, view.id)
    assert data.payment is not None
    shown, tx = data.payment["message"], data.typed["message"]
    assert tx["data"] == (
        "0xa9059cbb" + bytes(12).hex() + shown["to"][2:].lower() + f"{int(shown['units']):064x}"
    )
    assert (tx["to"], tx["value"]) == (shown["token"], "0")
    assert shown["safeTxHash"] == "0x" + data.digest.hex()
    assert shown["intent"] == "0x" + view.intent.hex()
    assert data.required == ("2 approvers",)

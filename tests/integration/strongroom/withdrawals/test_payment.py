"""P1, P4: a withdrawal from the initiator's signature to the final block, on real parts."""

from tests.factories.stage import TUSD, Stage

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

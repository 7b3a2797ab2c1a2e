"""P1, P4, P10: a stolen API, a suspension, a Permit in other hands: paid once, booked once, never
stuck for ever.
"""

from dataclasses import replace

import pytest

from strongroom.policy import service as policy
from strongroom.withdrawals import permits, repository, wallet
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.intents import Suspend, domain
from strongroom_protocol.safe import exec_calldata, pack_signatures, permit_tail
from strongroom_protocol.signatures import Signature, recover
from strongroom_protocol.typed_data import as_json
from tests.factories.house import sign
from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.test_voiding import LONG, cancel


def _suspend(stage: Stage) -> None:
    with stage.unit() as uow:
        version = policy.active(uow, stage.id).version
    typed = as_json(Suspend(stage.ref, version).typed(domain(stage.chain.chain_id)))
    body = {"organisation": to_hex(stage.ref), "version": version}
    stage.house.signer.suspend({**body, "signature": sign(stage.cast.ada, typed)})


def _lift(stage: Stage) -> None:
    """The quorum's next version ends a suspension."""
    with stage.unit() as uow:
        until = policy.active(uow, stage.id).content["valid_until"]
    stage.update_policy(valid_until=until - 1)


def _permit_taken_by_others(stage: Stage, withdrawal_id, *, bind: bool) -> dict[str, str]:
    """What somebody at the signer's socket does with evidence out of the database: the execution,
    ready to be sent by anybody, before the relay has stored anything of it.
    """
    loop = stage.permit_loop
    with stage.house.role("relay").unit(None, loop._actor) as uow:
        work = permits._claim(uow, stage.chain.chain_id)
    assert isinstance(work, permits.Work)
    assert work.id == withdrawal_id
    if bind:
        assert loop._bind_after_dry_verdict(work)
    permit = stage.house.signer.vault_permit({**work.evidence, "dry_run": False})
    with stage.unit() as uow:
        row = repository.find(uow, stage.id, withdrawal_id)
        safe_tx, digest = wallet.safe_tx_of(row, "payment"), bytes(row.safe_tx_hash or b"")
        row_wallet = wallet.intent_of(row).wallet
    signatures = [Signature.parse(from_hex(one)) for one in work.owners]
    packed = pack_signatures([(recover(digest, one), one) for one in signatures])
    tail = permit_tail(
        permit["policy_version"],
        permit["valid_until"],
        Signature.parse(from_hex(permit["permit_signature"])),
    )
    data = exec_calldata(safe_tx, packed + tail)
    stranger = stage.chain.accounts()[5]
    return {"from": stranger, "to": to_hex(row_wallet), "data": to_hex(data)}


@pytest.mark.parametrize("moment", ["approved", "binding", "cancelled"])
def test_a_payment_executed_before_its_permit_is_stored_is_booked_once(stage: Stage, moment: str):
    paid = stage.house.units(stage.cast.supplier)
    view = stage.approved(f"permit in other hands, {moment}", amount="7", valid_for_seconds=LONG)
    execution = _permit_taken_by_others(stage, view.id, bind=moment != "approved")
    if moment == "cancelled":
        cancel(stage, view.id)
        assert stage.view(view.id).state == "voiding"
    stage.house.send(execution)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.house.units(stage.cast.supplier) == paid + 7_000_000
    assert stage.held() == 0
    after = stage.approved(f"after it, {moment}", amount="1", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(after.id).state == "finalized")


def test_a_permitted_payment_waits_for_the_end_of_a_suspension(stage: Stage):
    view = stage.approved("suspended on its way", amount="2", valid_for_seconds=LONG)
    stage.drive(until=lambda: stage.view(view.id).state == "signed", parts="permits")
    _suspend(stage)
    for _ in range(3):
        stage.relay_loop.step()
    assert stage.view(view.id).state == "signed"
    _lift(stage)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


def test_a_rejection_refused_while_suspended_frees_the_money_afterwards(stage: Stage):
    view = stage.approved("voided while suspended", amount="9", valid_for_seconds=LONG)
    loop = stage.permit_loop
    with stage.house.role("relay").unit(None, loop._actor) as uow:
        work = permits._claim(uow, stage.chain.chain_id)
    assert isinstance(work, permits.Work)
    assert loop._bind_after_dry_verdict(work)
    _suspend(stage)
    loop._act(replace(work, state="binding"))
    assert stage.view(view.id).state == "voiding"
    stage.approve(view.id, stage.cast.amir)
    stage.approve(view.id, stage.cast.ivo)
    stage.drive(
        until=lambda: "refuses the rejection" in stage.view(view.id).reason, parts="permits"
    )
    assert stage.held() == 9_000_000
    _lift(stage)
    stage.drive(until=lambda: stage.view(view.id).state == "failed")
    assert stage.held() == 0

"""A cold key pays by a file that goes to an offline machine and comes back signed."""

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from strongroom.relay import service as relay
from strongroom.relay.errors import NonceTaken
from strongroom.relay.types import SignedAttempt
from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.errors import (
    AlreadyApproved,
    ApproverUnknown,
    NotAwaitingApproval,
    NotForOffline,
    SignedWrong,
)
from strongroom.withdrawals.types import WithdrawalView
from strongroom.withdrawals.wallet import NEVER_SIGNED
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.hashing import keccak256
from tests.factories.house import ETH, sign
from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.spending_keys import Spending, spending_keys
from tests.integration.strongroom.withdrawals.test_voiding import cancel

HAPPY = [
    "screening", "queued", "awaiting_approval", "approved", "binding", "signed", "broadcast",
    "mined", "finalized",
]  # fmt: skip


@pytest.fixture(scope="module")
def keys(stage: Stage) -> Iterator[Spending]:
    with spending_keys(stage) as found:
        yield found


def exported(keys: Spending, view: WithdrawalView) -> dict[str, Any]:
    """The file for the offline machine, with the policies that it lacks."""
    with keys.stage.unit() as uow:
        found = withdrawals.export(uow, view.id, policies_after=keys.policies_there)
    keys.policies_there = view.policy_version
    return found


def waiting(keys: Spending, reference: str, **more: Any) -> WithdrawalView:
    """An approved order that waits for the offline machine."""
    view = keys.order(reference, keys.cold, **more)
    keys.stage.drive(until=lambda: keys.stage.view(view.id).state == "binding")
    return keys.stage.view(view.id)


def bring_back(keys: Spending, view: WithdrawalView, answers: dict[str, Any]) -> None:
    with keys.stage.unit() as uow:
        withdrawals.take_in(uow, view.id, answers)


def check_books(keys: Spending) -> None:
    """P3: to the unit and to the wei, gas included; what is held lies there still."""
    for asset, (books, chain) in keys.books_and_chain(keys.cold).items():
        assert books + keys.stage.held(asset) == chain


def picture(keys: Spending, view: WithdrawalView) -> tuple[object, ...]:
    """All that an import could change."""
    rows = keys.stage.house.query(
        "SELECT (SELECT count(*) FROM withdrawal_signed WHERE withdrawal_id = w.id), due_at,"
        " updated_at, reason, state FROM withdrawal w WHERE id = %s",
        view.id,
    )
    return (rows, keys.stage.states(view.id), keys.stage.held(), keys.stage.held(ETH))


def test_a_cold_key_pays_by_a_file_that_goes_and_comes_back(keys: Spending):
    stage, view = keys.stage, waiting(keys, "cold-1", amount="250.5")
    assert "offline machine" in view.reason
    assert stage.held() == 250_500_000
    answers = keys.machine.deliver(exported(keys, view))
    bring_back(keys, view, answers)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert stage.states(view.id) == HAPPY
    assert stage.house.units(stage.cast.supplier) == 250_500_000
    assert (stage.held(), stage.held(ETH)) == (0, 0)
    check_books(keys)


def test_a_wrong_file_is_refused_and_changes_nothing(keys: Spending):
    """Its own answer with a byte changed, another payment's answer, a refusal, no answer at all."""
    stage = keys.stage
    first, second = waiting(keys, "cold-2", amount="2"), waiting(keys, "cold-3", amount="3")
    right = keys.machine.deliver(exported(keys, first))
    raw = right["answers"][-1]["body"]["raw"]
    before = picture(keys, second)
    for wrong in (
        right,
        {"raw": raw[:-2] + ("00" if raw[-2:] != "00" else "01")},
        {"ok": False, "code": "signer.policy_denied", "message": "no"},
        {},
    ):
        with pytest.raises(SignedWrong) as caught:
            bring_back(keys, second, wrong)
        assert caught.value.http_status == 422
        assert picture(keys, second) == before
    bring_back(keys, first, right)
    bring_back(keys, first, right)  # again changes nothing
    answers = keys.machine.deliver(exported(keys, second))
    bring_back(keys, second, answers)
    stage.drive(
        until=lambda: {stage.view(one.id).state for one in (first, second)} == {"finalized"}
    )
    check_books(keys)


def test_nonces_are_one_payments_and_not_far_ahead(keys: Spending):
    """A second order with the first one's nonce, and one that would never be mined."""
    stage, view = keys.stage, waiting(keys, "cold-4", amount="4")
    answer = keys.machine.deliver(exported(keys, view))["answers"][-1]["body"]
    ((nonce,),) = stage.house.query(
        "SELECT max(nonce) FROM outgoing WHERE purpose = 'cold_payment'"
    )
    assert answer["nonce"] == nonce + 1
    for wrong in (nonce, nonce + 1000):
        signed = SignedAttempt(parse_address(keys.cold), wrong, b"", bytes(32))
        with stage.unit() as uow, pytest.raises(NonceTaken):
            relay.check_nonce(uow, stage.chain.chain_id, signed, None)
    bring_back(keys, view, {"ok": True, "op": "spending_payment", "body": answer})
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


def test_what_a_stolen_api_stores_is_looked_at_again_by_the_relay(keys: Spending):
    """P1: the API's role can write the table; the relay reads the transaction by itself."""
    stage = keys.stage
    one, other = waiting(keys, "cold-5", amount="5"), waiting(keys, "cold-6", amount="6")
    answers = keys.machine.deliver(exported(keys, one))
    raw = bytes.fromhex(answers["answers"][-1]["body"]["raw"][2:])
    with stage.unit() as uow:
        uow.execute(
            "INSERT INTO withdrawal_signed VALUES (%s, %s, 0, 'payment', %s, %s, now())",
            (stage.id, other.id, raw, keccak256(raw)),
        )
        uow.execute("UPDATE withdrawal SET due_at = now() WHERE id = %s", (other.id,))
    assert stage.spending_loop.step()
    stuck = stage.view(other.id)
    assert (stuck.state, stuck.tx_hash) == ("binding", None)
    assert "something else than the order" in stuck.reason
    bring_back(keys, one, answers)
    stage.drive(until=lambda: stage.view(one.id).state == "finalized")
    assert stage.view(other.id).state == "binding"


def test_a_cold_payment_is_cancelled_by_a_file_too(keys: Spending):
    """It was signed but not brought back: its nonce is used by the cancellation."""
    stage, paid = keys.stage, keys.stage.house.units(keys.stage.cast.supplier)
    view = waiting(keys, "cold-7", amount="7")
    signed = keys.machine.deliver(exported(keys, view))
    cancel(stage, view.id)
    voiding = stage.view(view.id)
    assert (voiding.state, stage.held() > 0) == ("voiding", True)
    assert "export the cancellation" in voiding.reason
    with pytest.raises(SignedWrong, match="does not cancel"):
        bring_back(keys, view, signed)
    with stage.unit() as uow:
        request = withdrawals.export(uow, view.id, policies_after=keys.policies_there, attempt=1)
    bring_back(keys, view, keys.machine.deliver(request))
    stage.drive(until=lambda: stage.view(view.id).state == "cancelled")
    assert stage.house.units(stage.cast.supplier) == paid


def test_only_a_cold_wallets_bound_payment_is_exported(keys: Spending):
    stage = keys.stage
    early = stage.order("cold-early", from_wallet=keys.cold, amount="1", max_fee_wei=str(10**17))
    hot = stage.awaiting("not-cold", from_wallet=keys.hot, amount="1", max_fee_wei=str(10**17))
    for person in (stage.cast.amir, stage.cast.bea):
        stage.approve(hot.id, person)
    stage.drive(until=lambda: stage.view(hot.id).state == "binding", parts="spending")
    for view, words in ((early, "nothing to sign offline"), (hot, "only a cold one")):
        with stage.unit() as uow, pytest.raises(NotForOffline, match=words):
            withdrawals.export(uow, view.id)
        with pytest.raises(NotForOffline, match=words):
            bring_back(keys, view, {"raw": "0x02"})
    stage.drive(until=lambda: stage.view(hot.id).state == "finalized")


def test_a_payment_that_was_never_signed_is_let_go_by_its_approvers_once_its_time_is_over(
    keys: Spending,
):
    """Nobody took the file across. Before the end the machine could still sign: no word counts."""
    stage, held = keys.stage, keys.stage.held()
    view = waiting(keys, "cold-8", amount="8", valid_for_seconds=3_600)
    cancel(stage, view.id)
    with pytest.raises(NotAwaitingApproval):
        never_signed(keys, view, stage.cast.amir)
    stage.house.clock.ahead_seconds += 4_000
    never_signed(keys, view, stage.cast.amir)
    with pytest.raises(AlreadyApproved):
        never_signed(keys, view, stage.cast.amir)
    with pytest.raises(NotAwaitingApproval, match="word for word"):
        never_signed(keys, view, stage.cast.bea, "I think so")
    with pytest.raises(ApproverUnknown):
        never_signed(keys, view, stage.cast.ines)
    stage.spending_loop.step()
    assert (stage.view(view.id).state, stage.held()) == ("voiding", held + 8_000_000)
    never_signed(keys, view, stage.cast.bea)
    stage.drive(until=lambda: stage.view(view.id).state == "cancelled", parts="spending")
    assert stage.held() == held


def test_what_nobody_brought_back_in_time_is_voided(keys: Spending):
    view = waiting(keys, "cold-9", amount="9", valid_for_seconds=3_600)
    keys.stage.house.clock.ahead_seconds += 4_000
    keys.stage.drive(until=lambda: keys.stage.view(view.id).state == "voiding", parts="worker")
    assert "before it was brought back" in keys.stage.view(view.id).reason
    for person in (keys.stage.cast.amir, keys.stage.cast.bea):
        never_signed(keys, view, person)
    keys.stage.drive(until=lambda: keys.stage.view(view.id).state == "expired", parts="spending")


def test_words_that_a_stolen_api_writes_itself_let_nothing_go(keys: Spending):
    """P1: rows of both approvers, with signatures that they gave for something else."""
    stage, view = keys.stage, waiting(keys, "cold-10", amount="1", valid_for_seconds=3_600)
    cancel(stage, view.id)
    stage.house.clock.ahead_seconds += 4_000
    with stage.unit() as uow:
        uow.execute(
            "INSERT INTO withdrawal_approval SELECT organisation_id, withdrawal_id, 'rejection',"
            " person, address, digest, signature, NULL, now() FROM withdrawal_approval"
            " WHERE withdrawal_id = %s",
            (view.id,),
        )
        uow.execute("UPDATE withdrawal SET due_at = now() WHERE id = %s", (view.id,))
    assert stage.spending_loop.step()
    assert stage.view(view.id).state == "voiding"


def never_signed(
    keys: Spending, view: WithdrawalView, person: LocalAccount, reason: str = NEVER_SIGNED
) -> None:
    with keys.stage.unit() as uow:
        typed = withdrawals.rejection_data(uow, view.id, reason)
    signature = sign(person, typed)
    with keys.stage.unit() as uow:
        withdrawals.reject(uow, view.id, person=person.address, reason=reason, signature=signature)

"""P7: whoever a node says would also be paid is screened, before it is approved and before it is
signed; anything but CLEAR holds the payment.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from strongroom.db.actor import system
from strongroom.withdrawals import recipients, repository
from strongroom.withdrawals import service as withdrawals
from strongroom_protocol.addresses import ZERO, checksum, parse_address
from tests.factories.house import ETH, OPERATOR, TUSD
from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.spending_keys import Spending, spending_keys
from tests.integration.strongroom.withdrawals.test_voiding import cancel

UNSCREENED = "worker permits spending simulation relay chain indexer"
"""Every part but the screener."""
ALL = f"screener {UNSCREENED}"


@pytest.fixture(scope="module")
def keys(stage: Stage) -> Iterator[Spending]:
    with spending_keys(stage) as found:
        yield found


@contextmanager
def passing_on(stage: Stage, to: str) -> Iterator[None]:
    """The supplier is a contract that passes on to `to` whatever coin it gets."""
    code = "0x5f5f5f5f3473" + parse_address(to).hex() + "5af100"
    stage.chain.rpc("anvil_setCode", stage.cast.supplier, code)
    try:
        yield
    finally:
        stage.chain.rpc("anvil_setCode", stage.cast.supplier, "0x")


def told(stage: Stage, view: Any) -> dict[str, str]:
    """The cautions about recipients, as approvers see them."""
    with stage.unit() as uow:
        seen = withdrawals.what_is_seen(uow, view.id)
    assert seen is not None
    return {one.code: one.text for one in seen.cautions if one.code.startswith("recipient_")}


def simulated(stage: Stage, reference: str) -> Any:
    """An order of coin whose simulation has been kept."""
    view = stage.awaiting(reference, asset=ETH, amount="0.5")
    while stage.simulation_loop.step():
        pass
    return view


def outgoing(stage: Stage, state: str) -> list[tuple[Any, ...]]:
    return stage.house.query(
        "SELECT nonce, last_error FROM outgoing WHERE state = %s"
        " AND purpose IN ('vault_execution', 'hot_payment')",
        state,
    )


def test_it_is_approved_only_once_whoever_else_is_paid_is_clear(stage: Stage):
    other = stage.cast.stranger.address
    with passing_on(stage, other):
        view = simulated(stage, "passed on")
        text = told(stage, view)["recipient_held"]
        assert f"would also pay {other}" in text
        assert "Held by screening" in text
        stage.approve(view.id, stage.cast.amir)
        view = stage.approve(view.id, stage.cast.bea)
        assert (view.state, view.reason) == ("awaiting_approval", text)
        stage.screener.step()
        assert told(stage, view)["recipient_foretold"].endswith("screening is clear.")
        assert stage.view(view.id).state == "awaiting_approval"
        stage.drive(until=lambda: stage.view(view.id).state == "finalized", parts=ALL)
    (row,) = stage.house.query(
        "SELECT count(*) FILTER (WHERE finished_at IS NULL) FROM screening_request"
        " WHERE direction = 'out' AND reference LIKE %s",
        f"withdrawal:{view.id}%",
    )
    assert row == (0,), "what is final is not asked about again"


def test_a_listed_one_holds_it_for_good_and_opens_an_alert(stage: Stage):
    with passing_on(stage, stage.cast.sanctioned):
        view = simulated(stage, "to a listed one")
        stage.screener.step()
        stage.approve(view.id, stage.cast.amir)
        held = stage.approve(view.id, stage.cast.bea)
        stage.dispatcher.step()
    assert (held.state, stage.view(view.id).state) == ("awaiting_approval", "awaiting_approval")
    assert "is listed: test" in held.reason
    alerts = stage.house.query(
        "SELECT subject FROM alert WHERE kind = 'screening.hit' AND detail->>'direction' = 'out'"
    )
    assert alerts == [(stage.cast.sanctioned,)]
    cancel(stage, view.id)
    assert stage.view(view.id).state == "cancelled"


def test_one_foretold_only_when_it_is_signed_takes_no_nonce_until_it_is_clear(keys: Spending):
    """Approved before the node was asked: the relay asks once more, just before it signs."""
    stage = keys.stage
    with passing_on(stage, stage.cast.ada.address):
        order = keys.order("hot, passed on", keys.hot, asset=ETH, amount="0.25")
        stage.drive(until=lambda: bool(outgoing(stage, "queued")), parts="spending")
        stage.drive(until=lambda: outgoing(stage, "queued")[0][1] is not None, parts="relay")
        ((nonce, why),) = outgoing(stage, "queued")
        assert nonce is None
        assert f"would also pay {stage.cast.ada.address}" in why
        assert stage.view(order.id).reason == why
        stage.house.clock.ahead_seconds = 20
        stage.drive(until=lambda: stage.view(order.id).state == "finalized", parts=ALL)
        stage.house.clock.ahead_seconds = 0


def test_one_foretold_after_the_approval_holds_the_permit(stage: Stage):
    view = stage.approved("foretold late", amount="1")
    with stage.house.role("relay").unit(None, system("relay")) as uow:
        recipients.ask(uow, repository.find(uow, stage.id, view.id), [b"\x07" * 20])
    stage.permit_loop.step()
    held = stage.view(view.id)
    assert (held.state, "Held by screening" in held.reason) == ("approved", True)
    stage.house.clock.ahead_seconds = 2
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    stage.house.clock.ahead_seconds = 0


def test_a_burn_and_the_named_recipient_are_not_asked_about_and_too_many_hold_it(stage: Stage):
    view = stage.awaiting("many", asset=TUSD, amount="1")
    many = [bytes([1]) * 19 + bytes([n]) for n in range(60)]
    with stage.house.role("relay").unit(None, system("relay")) as uow:
        row = repository.find(uow, stage.id, view.id)
        recipients.ask(uow, row, [bytes(ZERO), row.destination, row.wallet])
        assert recipients.held_by(uow, row) is None
        recipients.ask(uow, row, many)
        recipients.ask(uow, row, many)
    rows = stage.house.query(
        "SELECT count(*), count(screening_id) FROM withdrawal_recipient WHERE withdrawal_id = %s",
        view.id,
    )
    assert rows == [(recipients.RECIPIENTS_MAX + 1, recipients.RECIPIENTS_MAX)]
    while stage.screener.step():
        pass
    assert "too many to be screened" in told(stage, view)["recipient_held"]
    cancel(stage, view.id)


@pytest.mark.parametrize("role", ["api", "worker", "indexer", "screener"])
def test_only_the_relay_can_say_that_somebody_was_foretold(stage: Stage, role: str):
    with (
        stage.house.role(role).unit(stage.id, OPERATOR) as uow,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        uow.execute("INSERT INTO withdrawal_recipient DEFAULT VALUES")


def test_a_permitted_execution_waits_too_and_says_why(stage: Stage):
    """Last: it holds the vault's turn."""
    with passing_on(stage, stage.cast.sanctioned):
        view = stage.approved("vault, to a listed one", asset=ETH, amount="0.5")
        stage.drive(until=lambda: stage.view(view.id).state == "signed", parts="permits")
        stage.drive(until=lambda: bool(outgoing(stage, "queued")[0][1]), parts="relay screener")
        stage.house.clock.ahead_seconds = 300
        for _ in range(3):
            stage.screener.step()
            stage.relay_loop.step()
        ((nonce, why),) = outgoing(stage, "queued")
        stage.house.clock.ahead_seconds = 0
    assert nonce is None
    assert checksum(parse_address(stage.cast.sanctioned)) in why
    assert "is listed: test" in why
    assert (stage.view(view.id).state, stage.view(view.id).reason) == ("signed", why)

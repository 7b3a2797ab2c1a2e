"""P4, P10: the relay is killed at each crash point; whoever comes after it pays exactly once.

The relay here is the real process, `strongroom relay`; the other parts step in this one.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import pytest

from strongroom.cli.dev.program import Program, Running, running, start
from tests.factories.house import TUSD, executable, sign
from tests.factories.stage import Stage

POINTS = (
    "withdrawal.after_claim",
    "withdrawal.after_bind",
    "withdrawal.after_permit",
    "withdrawal.after_store",
    "relay.after_claim",
    "relay.after_sign",
    "relay.after_store",
    "relay.after_broadcast",
)
AROUND = "screener chain indexer worker"


def relay(stage: Stage, crash_at: str = "") -> Program:
    return Program(
        name="relay",
        argv=(executable("strongroom"), "relay"),
        log=stage.house.folder / "relay.log",
        environment={**stage.house.environment("relay"), "PATH": "/usr/bin:/bin"},
        crash_at=f"{crash_at}:1" if crash_at else None,
    )


def wait_for_death(process: Running) -> None:
    deadline = time.monotonic() + 40
    while process.exit_code is None:
        assert time.monotonic() < deadline, process.failure("the crash point was never passed")
        time.sleep(0.05)
    assert process.exit_code == -signal.SIGKILL, process.failure("it ended by itself")


def leases_run_out(stage: Stage) -> None:
    """Time passes: what the dead process had claimed is free again."""
    for table in ("outgoing", "withdrawal"):
        stage.house.execute(f"UPDATE {table} SET lease_until = now() WHERE lease_until IS NOT NULL")


def payments_to_supplier(stage: Stage) -> int:
    return stage.house.units(stage.cast.supplier)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_the_payment_happens_once(stage: Stage, point: str):
    paid = payments_to_supplier(stage)
    view = stage.approved(f"killed at {point}", amount="7")
    victim = start(relay(stage, point))
    try:
        wait_for_death(victim)
    finally:
        victim.stop()
    leases_run_out(stage)
    with running(relay(stage)):
        stage.drive(until=lambda: stage.view(view.id).state == "finalized", parts=AROUND)
    assert payments_to_supplier(stage) == paid + 7_000_000
    assert stage.held() == 0
    assert one_nonce_an_intent(stage, view.id)


def test_two_relays_at_once_pay_once(stage: Stage):
    paid = payments_to_supplier(stage)
    view = stage.approved("two relays", amount="9")
    with running(relay(stage)), running(relay(stage)):
        stage.drive(until=lambda: stage.view(view.id).state == "finalized", parts=AROUND)
    assert payments_to_supplier(stage) == paid + 9_000_000
    assert one_nonce_an_intent(stage, view.id)


def test_killed_while_the_money_is_being_held_nothing_of_it_stays(stage: Stage):
    """The hold, the order and its record are one commit: dead before it, nothing happened."""
    from strongroom.withdrawals import service as withdrawals  # noqa: PLC0415 - only here

    before = stage.available()
    with stage.unit() as uow:
        drafted = withdrawals.prepare(
            uow, asset=TUSD, to=stage.cast.supplier, amount="11", reference="killed at the hold"
        )
    words = [str(stage.id), str(dict(drafted.fields)), sign(stage.cast.ines, drafted.typed_data)]
    program = str(Path(__file__).with_name("hand_in.py"))
    environment = {**stage.house.environment("api"), "PATH": "/usr/bin:/bin"}
    crash = {"STRONGROOM_CRASH_AT": "withdrawal.after_hold:1"}
    done = subprocess.run([sys.executable, program, *words], env=environment | crash, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (stage.available(), stage.held()) == (before, 0)
    subprocess.run([sys.executable, program, *words], env=environment, check=True)
    assert (stage.available(), stage.held()) == (before - 11_000_000, 11_000_000)


def one_nonce_an_intent(stage: Stage, withdrawal_id: UUID) -> bool:
    rows = stage.house.query(
        "SELECT o.nonce, o.state, count(*) FROM outgoing o"
        " JOIN withdrawal_permit p ON p.outgoing_id = o.id"
        " JOIN outgoing_attempt a ON a.outgoing_id = o.id WHERE p.withdrawal_id = %s"
        " GROUP BY o.nonce, o.state",
        withdrawal_id,
    )
    return len(rows) == 1 and rows[0][1] == "finalized"

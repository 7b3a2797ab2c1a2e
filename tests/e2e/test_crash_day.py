"""P10: a first day on which a process is killed after each step ends like one without."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from first_day.cast import Cast
from tests.e2e.stack import eventually, running_stack
from tests.e2e.strike import TARGETS, target
from tests.factories.parts.place import free_base

STRIKE = Path(__file__).with_name("strike.py")
SEED = int(os.environ.get("STRONGROOM_CRASH_SEED", "7"))
STEPS = 10
EXPECTED_BALANCES = {
    ("client:treasury", "ETH/18"): "2",
    ("client:treasury", "TUSD/6"): "8015.94",
    ("client:treasury", "EUR/2"): "20999.5",
    ("client:operations", "EUR/2"): "4000.5",
    ("quarantine", "ETH/18"): "1",
}
EXPECTED_WITHDRAWALS = {
    "invoice-17": "finalized",
    "invoice-18": "rejected",
    "refund-3": "blocked",
}


def test_each_process_falls_once() -> None:
    assert {target(SEED, step)[0] for step in range(1, STEPS + 1)} == set(TARGETS)


@pytest.mark.timeout(600)
def test_p10_a_day_of_kills_ends_like_any_other() -> None:
    with tempfile.TemporaryDirectory(prefix="sr-") as folder:
        after = f"{sys.executable} {STRIKE} {folder}/state {SEED}"
        with (
            running_stack(Path(folder), free_base(), STRONGROOM_AFTER_STEP=after) as stack,
            stack.cast() as cast,
        ):
            eventually(lambda: stack.ready()[0] == 200, 60)
            eventually(lambda: _balances(cast) == EXPECTED_BALANCES, 60)
            rows = cast.service("ines").every("/v1/withdrawals")
            assert {row["reference"]: row["state"] for row in rows} == EXPECTED_WITHDRAWALS
            token, supplier = cast.diary.get("token"), cast.diary.get("supplier")
            assert cast.node.balance(supplier, token) == 1_234_560_000
            strikes = (stack.state / "logs" / "strikes.log").read_text()
            assert strikes.count("killed") >= STEPS - 1, strikes


def _balances(cast: Cast) -> dict[tuple[str, str], str]:
    return {
        (row["account"], row["asset"]): row["posted"]
        for row in cast.service("ines").every("/v1/balances")
        if row["account"].startswith(("client:", "quarantine", "suspense")) and row["posted"] != "0"
    }

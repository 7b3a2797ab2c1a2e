"""One policy, three enforcers: they say and count the same, and a fault in one of them is seen."""

from collections.abc import Iterator

import pytest

from tests.integration.agreement.faults import FAULTS
from tests.integration.agreement.run import replayed, run, shrunk
from tests.integration.agreement.world import World, opened_world

SEED = 20_261_122
CASES = 2_000
FEW = 16
QUICKLY_FOUND = (
    "signer: a day has 8 buckets",
    "signer: rules that deny are skipped",
    "guard: a day has 8 buckets",
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with opened_world(500) as opened:
        yield opened


def test_rules_signer_and_guard_agree_on_generated_payments(world: World) -> None:
    report = run(world, SEED, CASES)
    assert report.breach is None, report.breach.document()
    counts = report.tally.counts
    assert report.cases >= CASES
    # A run in which nothing was permitted, or nothing refused, would prove nothing.
    assert counts["mined: paid"] > CASES // 5
    assert counts["rules: denied"] > CASES // 5
    assert counts["rules: awaiting_approvals"] > CASES // 50
    assert counts["stolen Permit: PermitGuard_LimitExceeded"] > CASES // 20
    assert counts["forged Permit: PermitGuard_PermitNotBySigner"] > CASES // 20


@pytest.mark.parametrize("name", QUICKLY_FOUND)
def test_a_planted_fault_is_found_and_made_short(world: World, name: str) -> None:
    with FAULTS[name](world):
        report = run(world, SEED, CASES, firms=FEW)
        assert report.breach is not None
        short = shrunk(world, report.breach)
        assert len(short.steps) <= len(report.breach.steps)
        assert replayed(world, short.script, short.steps)
    assert not replayed(world, short.script, short.steps)

"""One policy, three enforcers: they say and count the same, and a fault in one of them is seen."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.integration.agreement import apart

SEED = 20_261_122
CASES = 2_000
FEW = 16
QUICKLY_FOUND = (
    "signer: a day has 8 buckets",
    "signer: rules that deny are skipped",
    "guard: a day has 8 buckets",
)


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=apart.begin) as pool:
        yield pool
        pool.submit(apart.end).result()


def test_rules_signer_and_guard_agree_on_generated_payments(process: ProcessPoolExecutor) -> None:
    report = process.submit(apart.compare, SEED, CASES).result()
    assert report.breach is None, report.breach.document()
    counts = report.tally.counts
    assert report.cases >= CASES
    # A run in which nothing was permitted, or nothing refused, would prove nothing.
    assert counts["mined: paid"] > CASES // 5
    assert counts["rules: denied"] > CASES // 5
    assert counts["rules: awaiting_approvals"] > CASES // 50
    assert counts["stolen Permit: PermitGuard_LimitExceeded"] > CASES // 20
    assert counts["mined batch: paid"] > CASES // 100
    assert counts["batch: signer.policy_denied"] > CASES // 100
    assert counts["stolen batch: PermitGuard_LimitExceeded"] > CASES // 100
    assert counts["forged Permit: PermitGuard_PermitNotBySigner"] > CASES // 20


@pytest.mark.parametrize("name", QUICKLY_FOUND)
def test_a_planted_fault_is_found_and_made_short(process: ProcessPoolExecutor, name: str) -> None:
    found = process.submit(apart.find, name, SEED, CASES, FEW).result()
    assert found is not None
    assert found.short <= found.steps
    assert found.replayed
    assert not found.replayed_mended

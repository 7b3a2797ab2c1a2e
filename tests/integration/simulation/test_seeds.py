"""P2, P3, P4, P10: ten seeds of crashes, reorganisations and faulty nodes."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.factories.parts.place import REPOSITORY
from tests.simulation.plan import POINTS, STEP_KINDS, make_plan
from verbs.sim import SEEDS_MAX, supply, taken

SEEDS = 10
SECONDS_MAX = 600


@pytest.mark.timeout(SECONDS_MAX + 30)
def test_ten_seeds_keep_every_promise():
    """In a process of its own, as `scripts/sim` runs it: its servers must not be forked from us."""
    places = os.pathsep.join([str(REPOSITORY / "scripts"), str(REPOSITORY)])
    environment = {**os.environ, "PYTHONPATH": places}
    done = subprocess.run(
        [sys.executable, "-m", "verbs.sim", "--seeds", str(SEEDS), "--jobs", "2"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2_000:]
    assert done.stdout.count("  ok ") == SEEDS


def test_processes_that_share_seeds_take_each_of_them_once():
    seeds, out = [*range(1, 500), SEEDS_MAX], supply([*range(1, 500), SEEDS_MAX])
    with ThreadPoolExecutor(4) as threads:
        taken_by = list(threads.map(lambda _: list(taken(out)), range(4)))
    os.close(out)
    assert sorted(seed for part in taken_by for seed in part) == seeds


def test_a_seed_is_a_plan_and_fewer_steps_are_its_beginning():
    assert make_plan(7) == make_plan(7)
    assert make_plan(7) != make_plan(8)
    assert make_plan(7).steps[:5] == make_plan(7, 5).steps


def test_every_named_case_of_the_readme_is_a_test():
    readme = (REPOSITORY / "tests/simulation/README.md").read_text()
    named = [name.strip("`…") for name in re.findall(r"`…?(?:test_)?[a-z0-9_]+…?`", readme)]
    cases = [name for name in named if name.startswith("test_") or "killed_at" in name]
    tests = "".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    assert len(cases) > 25
    assert [case for case in cases if case not in tests] == []
    files = set(re.findall(r"\b(test_[a-z_]+)\b(?!…)", readme)) - set(cases)
    there = {path.stem for path in (REPOSITORY / "tests").rglob("test_*.py")}
    assert {name for name in files if f"def {name}" not in tests} <= there


def test_ten_seeds_hold_nearly_everything_that_may_happen():
    plans = [make_plan(seed) for seed in range(1, SEEDS + 1)]
    steps = [step for plan in plans for step in plan.steps]
    assert {step.kind for step in steps} == set(STEP_KINDS)
    assert {plan.workers for plan in plans} == {0, 32}
    assert {plan.witnesses for plan in plans} == {1, 2}
    crashed = {step.values["role"] for step in steps if step.kind == "crash"}
    assert crashed == set(POINTS)

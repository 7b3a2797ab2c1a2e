"""`scripts/agreement`: generated payments through the pure rules, the real signer and the deployed
guard, compared case by case and sum by sum. Ends at the first breach, makes it shorter and writes
it down to be played again.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.agreement.run import Breach, Report
    from tests.integration.agreement.world import World

CASES = 100_000
CASES_MAX = 1_000_000
# A fault that is not found in so many cases is not found.
FAULT_CASES = 10_000
WIDTH = 40
SEED_BYTES = 4


def main() -> int:
    """Run, replay, or plant faults; return 0 only when everything was as it must be."""
    options = arguments()
    from tests.integration.agreement.run import accounts_for  # noqa: PLC0415  (--help comes first)
    from tests.integration.agreement.world import opened_world  # noqa: PLC0415

    if options.replay:
        return replay(options.replay)
    seed = options.seed
    if seed is None:
        seed = int.from_bytes(os.urandom(SEED_BYTES), "big")
    if options.faults:
        print(f"seed {seed}, at most {FAULT_CASES} cases a fault", flush=True)
        return plant(seed)
    print(f"seed {seed}, {options.cases} cases", flush=True)
    with opened_world(accounts_for(options.cases)) as world:
        return compare(world, seed, options.cases)


def compare(world: "World", seed: int, cases: int) -> int:
    """The long run."""
    from tests.integration.agreement.run import run, shrunk  # noqa: PLC0415

    begun = time.monotonic()
    report = run(world, seed, cases, lambda done: progress(done, cases, begun))
    print()
    tell(report)
    if report.breach is None:
        print(f"{report.cases} cases, {report.cases / report.seconds:.0f}/s: all agree.")
        return 0
    keep(shrunk(world, report.breach), seed)
    return 1


def plant(seed: int) -> int:
    """Each planted fault must be found."""
    from tests.integration.agreement.faults import FAULTS  # noqa: PLC0415
    from tests.integration.agreement.run import accounts_for, run  # noqa: PLC0415
    from tests.integration.agreement.world import opened_world  # noqa: PLC0415

    missed = 0
    print(f"{'cases':>7}  fault, and the first difference")
    with opened_world(accounts_for(FAULT_CASES) * len(FAULTS)) as world:
        for name, fault in FAULTS.items():
            with fault(world):
                report = run(world, seed, FAULT_CASES)
            missed += report.breach is None
            words = report.breach.words[0] if report.breach else "NOT FOUND"
            print(f"{report.cases:>7}  {name}\n{'':9}{words}", flush=True)
    print(f"{len(FAULTS) - missed} of {len(FAULTS)} planted faults were found.")
    return 1 if missed else 0


def replay(file: Path) -> int:
    """Play one organisation's payments again."""
    from tests.integration.agreement.run import replayed  # noqa: PLC0415
    from tests.integration.agreement.world import opened_world  # noqa: PLC0415

    kept = json.loads(file.read_text())
    with opened_world(1) as world:
        wrong = replayed(world, kept["script"], kept["steps"])
    for words in wrong or ["nothing is wrong with it (any more)"]:
        print(words)
    return 1 if wrong else 0


def keep(breach: "Breach", seed: int) -> None:
    """Write a breach where it is found again."""
    file = Path(f"agreement-{seed}.json")
    file.write_text(json.dumps(breach.document(), indent=1) + "\n")
    print("They do NOT agree:")
    for words in breach.words:
        print(f"  {words}")
    print(f"{len(breach.steps)} payments show it: scripts/agreement --replay {file}")


def tell(report: "Report") -> None:
    """How often what happened."""
    for name, count in sorted(report.tally.counts.items()):
        print(f"{count:>8}  {name}")


def progress(done: int, cases: int, begun: float) -> None:
    """A bar where somebody watches, else a line now and then."""
    passed = time.monotonic() - begun
    left = passed / max(done, 1) * (cases - done)
    full = WIDTH * done // cases
    words = f"[{'#' * full}{'.' * (WIDTH - full)}] {done}/{cases}, {left / 60:.1f} min left"
    if sys.stdout.isatty():
        print(f"\r{words} ", end="", flush=True)
    elif done % 4800 == 0:
        print(words, flush=True)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/agreement",
        description="Rules, signer and guard must agree on every generated payment.",
        epilog="100,000 cases take about a quarter of an hour on two cores.",
    )
    parser.add_argument("--cases", type=int, default=CASES, help=f"default {CASES}")
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    parser.add_argument("--faults", action="store_true", help="plant faults, one after the other")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="play a kept breach again")
    options = parser.parse_args()
    if not 1 <= options.cases <= CASES_MAX:
        parser.error(f"--cases must be from 1 to {CASES_MAX}")
    return options


if __name__ == "__main__":
    sys.exit(main())

"""`scripts/sim`: seeded operations, crashes, reorganisations and faulty nodes; then every promise.

Everything is real: PostgreSQL, Anvil, the signer, and our own processes, killed and started again.
A seed decides what happens; `--steps` makes a failing one shorter.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.run import Outcome

# A planted fault that is not found in so many seeds is not found.
FAULT_SEEDS = 20
# From so many seeds on, a bar says how far it is.
BAR_FROM = 50
# A seed in the pipe from which the processes take theirs; all of them fit into its 64 KiB.
SEED_BYTES = 8
SEEDS_MAX = 8_000


def main() -> int:
    """Run the seeds, or plant faults; return 0 only when everything was as it must be."""
    options = arguments()
    from tests.simulation.plan import STEPS  # noqa: PLC0415  (--help comes before the packages)
    from tests.simulation.run import run_seeds  # noqa: PLC0415

    steps = options.steps or STEPS
    if options.faults is not None:
        return plant(options.faults, options.start, steps)
    if options.jobs > 1:
        return share(options.start, options.seeds, options.jobs, steps)
    begun, bad, done = time.monotonic(), 0, 0
    seeds: Iterable[int] = range(options.start, options.start + options.seeds)
    if options.seeds_from is not None:
        seeds = taken(options.seeds_from)
    for outcome in with_bar(run_seeds(seeds, steps=steps), options.seeds):
        print(outcome, flush=True)
        tell(outcome, plan=options.plan)
        done, bad = done + 1, bad + (not outcome.good)
    print(f"{done} seeds, {bad} broken, {time.monotonic() - begun:.0f} s")
    return 1 if bad else 0


def share(start: int, seeds: int, jobs: int, steps: int) -> int:
    """Some processes take seeds as they get on; return 0 only when all were good."""
    begun = time.monotonic()
    out = supply(range(start, start + seeds))
    command = [sys.executable, "-m", "verbs.sim", "--steps", str(steps), "--seeds-from", str(out)]
    parts = [subprocess.Popen(command, pass_fds=[out]) for _ in range(min(jobs, seeds))]
    os.close(out)
    bad = sum(part.wait() != 0 for part in parts)
    print(f"{seeds} seeds in {len(parts)} processes, {bad} of them with broken seeds, "
          f"{time.monotonic() - begun:.0f} s")  # fmt: skip
    return 1 if bad else 0


def supply(seeds: Iterable[int]) -> int:
    """A pipe that holds these seeds and ends after them; gives the end to read from."""
    out, into = os.pipe()
    with os.fdopen(into, "wb") as pipe:
        for seed in seeds:
            pipe.write(seed.to_bytes(SEED_BYTES, "big"))
    return out


def taken(pipe: int) -> Iterator[int]:
    """The seeds that nobody else has taken, until whoever shares them out is gone. So few bytes are
    read from a pipe all or not at all.
    """
    parent = os.getppid()
    while os.getppid() == parent and (found := os.read(pipe, SEED_BYTES)):
        yield int.from_bytes(found, "big")


def plant(names: Sequence[str], start: int, steps: int) -> int:
    """Put each fault into our own processes; return 0 only when each of them was found."""
    from tests.simulation.planted import FAULTS  # noqa: PLC0415
    from tests.simulation.run import run_seeds  # noqa: PLC0415

    found, chosen = 0, names or list(FAULTS)
    for fault in chosen:
        seeds = range(start, start + FAULT_SEEDS)
        hit = next(
            (one for one in run_seeds(seeds, steps=steps, fault=fault) if not one.good), None
        )
        found += hit is not None
        by = f"seed {hit.plan.seed}: {plainest(hit)}" if hit else f"no seed of {FAULT_SEEDS}"
        print(f"{'found' if hit else 'ALIVE'}  {fault:32} {by[:300]}", flush=True)
    print(f"{found} of {len(chosen)} planted faults were found.")
    return 0 if found == len(chosen) else 1


def plainest(outcome: "Outcome") -> str:
    """The promise that is broken; that the queue did not drain, only where nothing else shows."""
    shown = [text for text in outcome.broken if not text.startswith("NotDrained")]
    return (shown or list(outcome.broken))[0]


def tell(outcome: "Outcome", *, plan: bool) -> None:
    """What a seed did, where it was asked for or where a promise is broken."""
    if plan or not outcome.good:
        print(f"  {outcome.plan}")
        for number, step in enumerate(outcome.plan.steps, 1):
            print(f"  {number:>3} {step}")
        print(f"  refused: {', '.join(outcome.refused) or 'nothing'}")
    for sentence in outcome.broken:
        print(f"  ! {sentence}", flush=True)


def with_bar(outcomes: "Iterator[Outcome]", count: int) -> "Iterable[Outcome]":
    """The same, with a bar on a terminal when it takes long."""
    if count < BAR_FROM or not sys.stderr.isatty():
        return outcomes
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import track  # noqa: PLC0415

    return track(outcomes, "seeds", total=count, console=Console(stderr=True))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many (10)")
    parser.add_argument("--start", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each a world of its own")
    parser.add_argument("--seeds-from", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help="only so many lines of each plan")
    parser.add_argument("--plan", action="store_true", help="print each seed's plan")
    parser.add_argument(
        "--faults", nargs="*", metavar="NAME", help="plant faults, all or these; each must be found"
    )
    options = parser.parse_args()
    if options.seeds > SEEDS_MAX:
        parser.error(f"at most {SEEDS_MAX} seeds at a time, not {options.seeds}")
    return options


if __name__ == "__main__":
    sys.exit(main())

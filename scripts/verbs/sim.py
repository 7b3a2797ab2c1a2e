"""`scripts/sim`: seeded operations, crashes, reorganisations and faulty nodes; then every promise.

Everything is real: PostgreSQL, Anvil, the signer, and our own processes, killed and started again.
A seed decides what happens; `--steps` makes a failing one shorter.
"""

import argparse
import sys
import time


def main() -> int:
    """Run the seeds; return 0 only when every promise held under each."""
    options = arguments()
    from tests.simulation.run import run_seeds  # noqa: PLC0415  (--help comes first)

    begun, bad, done = time.monotonic(), 0, 0
    seeds = range(options.start, options.start + options.seeds)
    for outcome in run_seeds(seeds, steps=options.steps):
        print(outcome, flush=True)
        done += 1
        if options.plan or not outcome.good:
            print(
                f"  witnesses {outcome.plan.witnesses}, relays {outcome.plan.relays}, "
                f"workers {outcome.plan.workers}"
            )
            for number, step in enumerate(outcome.plan.steps, 1):
                print(f"  {number:>3} {step}")
            print("  refused:", ", ".join(outcome.refused))
        for sentence in outcome.broken:
            print(f"  ! {sentence}", flush=True)
        bad += not outcome.good
    print(f"{done} seeds, {bad} broken, {time.monotonic() - begun:.0f} s")
    return 1 if bad else 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    from tests.simulation.plan import STEPS  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="scripts/sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many (10)")
    parser.add_argument("--start", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--steps", type=int, default=STEPS, help="only so many lines of each plan")
    parser.add_argument("--plan", action="store_true", help="print each seed's plan")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""`python strike.py STATE SEED STEP`: kill -9 one process, a seeded moment after the step.

The moment lies inside the next step, so that the blow falls on work in progress.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

TARGETS = ("api", "indexer", "relay", "screener", "worker", "beat", "signer", "postgres", "valkey")
LATEST_SECONDS = 1.5


def target(seed: int, step: int) -> tuple[str, float]:
    """Which process falls after which step, and how many seconds later."""
    source = random.Random(seed)
    order = list(TARGETS)
    source.shuffle(order)
    waits = [source.uniform(0, LATEST_SECONDS) for _ in range(step)]
    return order[(step - 1) % len(order)], waits[-1]


def main() -> None:
    """Strike, without holding up whoever called."""
    state, seed, step = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    name, seconds = target(seed, step)
    if os.fork() > 0:
        return
    time.sleep(seconds)
    program = Path(sys.executable).parent / "strongroom"
    words = [str(program), "dev", "--state", state, "kill", name]
    with Path(state, "logs", "strikes.log").open("a") as log:
        log.write(f"step {step}: {name} after {seconds:.2f} s\n")
        log.flush()
        subprocess.run(words, stdout=log, stderr=log, check=False)


if __name__ == "__main__":
    main()

"""Ends what a supervisor killed by force left: grandchildren, whom no kernel signal reaches.

Run as a program: `python guardian.py PIDS_FILE`, with a pipe from the supervisor as standard
input. The pipe's end is the supervisor's death, of whatever kind. Standard library only.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.05


def main(pids_file: Path) -> None:
    """Wait for the supervisor's end; then end every group, its leader's last work done first."""
    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(which, signal.SIG_IGN)
    while os.read(0, 64):
        continue
    end_groups(groups(pids_file))


def groups(pids_file: Path) -> set[int]:
    """Return the process groups that the supervisor's list names."""
    try:
        rows = json.loads(pids_file.read_text())["programs"].values()
    except (OSError, ValueError, KeyError):
        return set()
    return {row["pid"] for row in rows}


def end_groups(left: Iterable[int]) -> None:
    """Kill groups whose leader has gone; after the grace, kill those whose leader has not."""
    deadline = time.monotonic() + GRACE_SECONDS
    left = set(left)
    while left:
        overdue = time.monotonic() > deadline
        for group in tuple(left):
            if not overdue and is_alive(group):
                continue
            try:
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                left.discard(group)
        if overdue:
            return
        time.sleep(POLL_SECONDS)


def is_alive(pid: int) -> bool:
    """Say whether the process runs; one that only waits to be reaped does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

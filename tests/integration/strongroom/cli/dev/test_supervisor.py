"""What the supervisor promises about the processes that it starts (P10 in small)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.factories.parts.place import REPOSITORY, free_base, short_folder

DRIVER = Path(__file__).with_name("driver.py")
PARTS = {"postgres", "valkey", "anvil", "ours"}


class Driven:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.child = subprocess.Popen(
            [sys.executable, str(DRIVER), str(folder / "state"), str(free_base()), *words],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read_until(self, word: str) -> list[str]:
        assert self.child.stdout is not None
        lines = []
        for line in self.child.stdout:
            lines.append(line.rstrip())
            if word in line:
                return lines
        pytest.fail(f"{word!r} was never said; said was:\n" + "\n".join(lines))

    def pids(self) -> dict[str, int]:
        rows = json.loads((self.folder / "state" / "pids.json").read_text())["programs"]
        return {name: row["pid"] for name, row in rows.items()}

    def comes_back(self, name: str, former: int) -> bool:
        return eventually(lambda: self.pids().get(name, former) != former)

    def descendants(self) -> list[psutil.Process]:
        """Everything below the supervisor now, the guardian included."""
        return psutil.Process(self.child.pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and status(p) != psutil.STATUS_ZOMBIE]


def status(process: psutil.Process) -> str:
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE


@contextmanager
def driven(*words: str) -> Iterator[Driven]:
    with short_folder("sv") as folder:
        it = Driven(folder, *words)
        try:
            yield it
        finally:
            it.child.send_signal(signal.SIGTERM)
            it.child.communicate(timeout=30)


def eventually(holds: Callable[[], object], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return bool(holds())


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_told_to_stop_it_leaves_nothing(which: signal.Signals) -> None:
    with driven() as it:
        it.read_until("up")
        started = it.descendants()
        assert {"valkey-server", "anvil", "postgres"} <= {p.name() for p in started}
        it.child.send_signal(which)
        it.read_until("stopped")
        assert it.child.wait(timeout=20) == 0
        assert alive(started) == []


def test_killed_by_force_it_leaves_nothing_not_even_grandchildren() -> None:
    with driven() as it:
        it.read_until("up")
        started = it.descendants()
        assert len(started) >= 6
        it.child.kill()
        assert eventually(lambda: alive(started) == []), alive(started)


def test_after_a_kill_by_force_the_next_start_works_at_once() -> None:
    with driven() as it:
        it.read_until("up")
        it.child.kill()
        it.child.communicate()
        again = Driven(it.folder)
        again.read_until("up")
        again.child.send_signal(signal.SIGINT)
        again.read_until("stopped")
        again.child.communicate()


def test_a_process_killed_by_force_is_brought_back() -> None:
    with driven() as it:
        it.read_until("up")
        for name in sorted(PARTS):
            former = it.pids()[name]
            os.kill(former, signal.SIGKILL)
            it.read_until(f"{name} ended (SIGKILL)")
            assert it.comes_back(name, former), name
        assert set(it.pids()) == PARTS


def test_a_crash_is_planted_in_the_first_start_only() -> None:
    said_by_each_start = (
        "import os, sys, time; print(os.environ.get('STRONGROOM_CRASH_AT'), flush=True); "
        "time.sleep(600)"
    )
    with driven(said_by_each_start) as it:
        it.read_until("up")
        log = it.folder / "state" / "logs" / "ours.log"
        assert eventually(lambda: log.read_text() == "x:1\n")
        os.kill(it.pids()["ours"], signal.SIGKILL)
        assert eventually(lambda: log.read_text() == "x:1\nNone\n")


def test_a_process_that_cannot_live_ends_the_run_with_the_end_of_its_log() -> None:
    with driven("import sys; sys.exit('no configuration was found')") as it:
        it.read_until("failed:")
        assert it.child.stdout is not None
        said = it.child.stdout.read()
        assert it.child.wait(timeout=30) == 1
        assert "no configuration was found" in said

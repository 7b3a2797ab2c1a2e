"""The whole service, as `scripts/run` starts it: once a session, for end-to-end tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from strongroom.cli.dev.ports import Ports
from strongroom.cli.dev.state import State
from strongroom.cli.dev.table import Table
from tests.factories.parts.place import REPOSITORY, free_base, short_folder

START_SECONDS = 240
BACK_SECONDS = 60


@dataclass(frozen=True)
class Stack:
    """A running Strongroom. `table` knows addresses, environments and files."""

    table: Table

    @property
    def api_url(self) -> str:
        """Address of the API and the console."""
        return self.table.api_url

    @property
    def rpc_url(self) -> str:
        """Address of the node."""
        return f"http://127.0.0.1:{self.table.ports.of('anvil')}"

    @property
    def environment(self) -> dict[str, str]:
        """What a program of people outside the service gets (the first day's)."""
        return {**os.environ, **self.table.people_environment()}

    def pids(self) -> dict[str, int]:
        """Processes that run now, by name."""
        return self.table.state.read_pids()

    def log(self, name: str) -> str:
        """All that a process has logged."""
        return (self.table.state.logs / f"{name}.log").read_text()

    def kill(self, name: str) -> None:
        """Kill a process by force, and wait until the supervisor has brought it back."""
        former = self.pids()[name]
        os.kill(former, signal.SIGKILL)
        deadline = time.monotonic() + BACK_SECONDS
        while time.monotonic() < deadline:
            if self.pids().get(name, former) != former:
                return
            time.sleep(0.05)
        pytest.fail(f"{name} did not come back within {BACK_SECONDS} seconds")


@contextmanager
def running_stack(*options: str) -> Iterator[Stack]:
    """Start a Strongroom of its own, wait until it is up, and end it on the way out."""
    with short_folder("stack") as folder:
        state, base = folder / "state", free_base()
        command = [str(Path(sys.executable).parent / "strongroom"), "dev", "--state", str(state)]
        command += ["--port-base", str(base), "--no-first-day", *options]
        said = folder / "said"
        with said.open("wb") as out:
            child = subprocess.Popen(command, cwd=REPOSITORY, stdout=out, stderr=out)
        try:
            _wait_until_up(child, said)
            yield Stack(Table(REPOSITORY, State(state), Ports(base)))
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(timeout=60)


def _wait_until_up(child: "subprocess.Popen[bytes]", said: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        if "Strongroom is up" in said.read_text():
            return
        time.sleep(0.1)
    pytest.fail("Strongroom did not come up:\n" + said.read_text())


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One Strongroom for all end-to-end tests; the first day is not played."""
    with running_stack() as running:
        yield running

"""The whole of Strongroom in a folder, started as `scripts/run` does, with a hand on it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

from first_day.cast import Cast
from first_day.diary import Diary
from first_day.node import Node

REPOSITORY = Path(__file__).parents[2]
STRONGROOM = Path(sys.executable).parent / "strongroom"
START_SECONDS = 420
Found = TypeVar("Found")


@dataclass(frozen=True)
class Stack:
    """A running stack: its folder, its supervisor, and the base of its ports."""

    state: Path
    base: int
    process: "subprocess.Popen[str]"

    @property
    def api_url(self) -> str:
        """Where the API and the console answer."""
        return f"http://127.0.0.1:{self.base}"

    @property
    def rpc_url(self) -> str:
        """Where the node answers."""
        return f"http://127.0.0.1:{self.base + 1}"

    @contextmanager
    def cast(self) -> Iterator[Cast]:
        """The people of the first day, with their keys and tokens."""
        people = self.state / "people"
        token = (self.state / "secrets" / "operator-token").read_text().strip()
        diary, node = Diary(people / "day.json"), Node(self.rpc_url)
        found = Cast(diary, self.api_url, node, people, token)
        try:
            yield found
        finally:
            found.close()

    def pid(self, name: str) -> int:
        """The process of that name now."""
        rows = json.loads((self.state / "pids.json").read_text())["programs"]
        return int(rows[name]["pid"])

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Hold a process still (it answers nothing), then let it go on."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill(self, name: str) -> None:
        """Kill -9; the supervisor brings it back."""
        os.kill(self.pid(name), signal.SIGKILL)

    def ready(self) -> tuple[int, dict[str, str]]:
        """The API's readiness: status, and what each part answers."""
        answer = httpx.get(f"{self.api_url}/readyz", timeout=30)
        return answer.status_code, answer.json()["checks"]


def eventually(look: Callable[[], Found | None], seconds: float = 60) -> Found:
    """Ask until something true comes; fail with the last answer."""
    deadline = time.monotonic() + seconds
    found: Found | None = None
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} seconds; the last answer was {found!r}")


@contextmanager
def running_stack(folder: Path, base: int, *words: str, **environment: str) -> Iterator[Stack]:
    """Start a stack that plays the first day and stays up; end it and look that it ended."""
    state, log = folder / "state", folder / "out.txt"
    command = [str(STRONGROOM), "dev", "--state", str(state), "--port-base", str(base), *words]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, **environment},
        )
    try:
        _wait_until_up(process, log)
        yield Stack(state, base, process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(process: "subprocess.Popen[str]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        text = log.read_text()
        if "Strongroom is up" in text:
            return
        if process.poll() is not None:
            raise AssertionError(f"the stack ended ({process.returncode}):\n{text}")
        time.sleep(0.2)
    raise AssertionError(f"the stack was not up within {START_SECONDS} s:\n{log.read_text()}")

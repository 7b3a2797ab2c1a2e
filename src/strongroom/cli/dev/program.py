"""One child process: how it is started, known to be ready, and ended with all that it started.

Each child leads its own process group, so that Ctrl-C reaches the supervisor alone and a kill
reaches grandchildren too. Each child also asks the kernel for a signal at its parent's death
(prctl(2), PR_SET_PDEATHSIG, by util-linux's `setpriv`): kill -9 of the parent leaves nothing.
The kernel means the parent *thread*: start children from a thread that lives on.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

LINE_MAX = 300
POLL_SECONDS = 0.05
STOP_SECONDS = 15.0
CRASH_VARIABLE = "STRONGROOM_CRASH_AT"


class ProgramFailed(Exception):
    """A child did not come up, or a command of the start sequence ended with an error."""


@dataclass(frozen=True)
class Account:
    """A system account that a child runs as, when the supervisor is root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Program:
    """What to start. `ready` must return within about a second and never raise."""

    name: str
    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    crash_at: str | None = None  # "name:n", see kit.crash; for the first start only
    before: Callable[[], None] = lambda: None  # runs just before each start
    ready: Callable[[], bool] = lambda: True
    ready_seconds: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    account: Account | None = None
    folder: Path | None = None
    port: int | None = None


class Running:
    """A started program. Not for use from several threads."""

    def __init__(self, program: Program, popen: "subprocess.Popen[bytes]") -> None:
        self.program = program
        self.pid = popen.pid
        self.started = time.monotonic()
        self._popen = popen
        self._asked = False

    @property
    def exit_code(self) -> int | None:
        """Return None while it runs; else its exit code, negative for a signal."""
        return self._popen.poll()

    def wait_ready(self) -> None:
        """Return once the program answers. Raises ProgramFailed with the log's last lines."""
        deadline = time.monotonic() + self.program.ready_seconds
        while time.monotonic() < deadline:
            if self.exit_code is not None:
                raise ProgramFailed(self.failure(f"ended with {describe(self.exit_code)}"))
            if self.program.ready():
                return
            time.sleep(POLL_SECONDS)
        what = f"did not answer within {self.program.ready_seconds:.0f} seconds"
        raise ProgramFailed(self.failure(what))

    def failure(self, what: str) -> str:
        """Say what went wrong with this program, with the end of its log."""
        return failure(self.program, what)

    def ask_to_stop(self) -> None:
        """Send the program's own stop signal; it may take its time."""
        self._asked = True
        if self.exit_code is None:
            self._popen.send_signal(self.program.stop_signal)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End it: ask, wait, then kill the whole group. Afterwards nothing of it runs."""
        if not self._asked:
            self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=seconds)
        self.kill()

    def kill(self) -> None:
        """Kill the program and whatever it started (SIGKILL to the group)."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()


def start(program: Program, *, terminal: bool = False) -> Running:
    """Start a program, its output appended to its log (or on the terminal, when told so)."""
    program.log.parent.mkdir(parents=True, exist_ok=True)
    program.before()
    environment = {**os.environ, **program.environment}
    environment.pop(CRASH_VARIABLE, None)
    if program.crash_at is not None:
        environment[CRASH_VARIABLE] = program.crash_at
    command = [*_front(program), *program.argv]
    with program.log.open("ab") as log:
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=None if terminal else log,
            stderr=None if terminal else subprocess.STDOUT,
            env=environment,
            cwd=program.folder,
            start_new_session=True,
        )
    return Running(program, popen)


@contextmanager
def running(program: Program) -> Iterator[Running]:
    """Start a program, wait until it answers, and end it on the way out."""
    child = start(program)
    try:
        child.wait_ready()
        yield child
    finally:
        child.stop()


def run_to_end(program: Program, seconds: float = 120.0) -> None:
    """Run a command of the start sequence. Raises ProgramFailed unless it exits 0 in time."""
    child = start(program)
    deadline = time.monotonic() + seconds
    try:
        while child.exit_code is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        code = child.exit_code
    finally:
        child.stop()
    if code is None:
        raise ProgramFailed(child.failure(f"was not done within {seconds:.0f} seconds"))
    if code != 0:
        raise ProgramFailed(child.failure(f"ended with {describe(code)}"))


def failure(program: Program, what: str) -> str:
    """Say what went wrong with a program, with the end of its log."""
    return f"{program.name} {what}.\n{last_lines(program.log)}"


def describe(code: int) -> str:
    """Say an exit code as people do: a number, or the signal's name."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def last_lines(path: Path, count: int = 12, limit_bytes: int = 16_384) -> str:
    """Return the end of a log, indented, with the log's path above it."""
    if not path.exists():
        return f"  (no log at {path})"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - limit_bytes))
        lines = file.read().decode("utf-8", "replace").splitlines()[-count:]
    return "\n".join([f"  {path} ends:", *(f"    {line}" for line in lines)])


def _front(program: Program) -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        message = "`setpriv` (package util-linux) is not installed; it ties children to us."
        raise ProgramFailed(message)
    front = [setpriv, "--pdeathsig", program.death_signal.name]
    if program.account is not None:
        front += [f"--reuid={program.account.uid}", f"--regid={program.account.gid}"]
        front += ["--clear-groups"]
    return [*front, "--"]

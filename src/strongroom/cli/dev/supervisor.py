"""Keeps a set of programs running: starts them in order, brings back what dies, ends them all.

A program that dies is started again after a pause that grows; one that dies too often within a
minute ends the whole run, with the end of its log.
"""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Self

from strongroom.cli.dev import guardian
from strongroom.cli.dev.program import (
    POLL_SECONDS,
    STOP_SECONDS,
    Program,
    ProgramFailed,
    Running,
    describe,
    failure,
    start,
)


@dataclass(frozen=True)
class Patience:
    """How often a program may die within a window, and how long it is left after each death."""

    pauses_seconds: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
    deaths_max: int = 12
    window_seconds: float = 60.0


class Interrupted(Exception):
    """A person pressed Ctrl-C, or somebody sent SIGTERM."""


@dataclass
class _Slot:
    program: Program
    child: Running | None
    due: float = 0.0
    answered: bool = False
    deaths: "deque[float]" = field(default_factory=deque)


class Supervisor:
    """Use as a context manager, from the main thread: on the way out nothing is left running."""

    def __init__(
        self,
        pids_file: Path,
        publish: Callable[[dict[str, int]], None],
        notice: Callable[[str], None],
        patience: Patience | None = None,
    ) -> None:
        self._slots: dict[str, _Slot] = {}
        self._started: list[list[str]] = []
        self._patience = patience or Patience()
        self._pids_file = pids_file
        self._guardian: subprocess.Popen[bytes] | None = None
        self._publish = publish
        self._notice = notice
        self._interrupted = 0
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._former[which] = signal.signal(which, self._on_signal)
        self._publish({})
        command = [sys.executable, "-I", "-S", guardian.__file__, str(self._pids_file)]
        self._guardian = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop_all()
        finally:
            if self._guardian is not None:
                self._guardian.communicate()
            for which, handler in self._former.items():
                signal.signal(which, handler)  # type: ignore[arg-type]

    def start(self, programs: Sequence[Program]) -> None:
        """Start programs side by side; return when all answer. Raises ProgramFailed.

        One that dies before it answers ends the start: it would not do better the next time.
        """
        slots = [_Slot(replace(program, crash_at=None), start(program)) for program in programs]
        self._started.append([program.name for program in programs])
        self._slots.update({slot.program.name: slot for slot in slots})
        self._tell()
        while slots := [slot for slot in slots if slot.child and not self._ready(slot.child)]:
            self.pause()
        for slot in self._slots.values():
            slot.answered = True

    def run(self, program: Program, *, terminal: bool = False, seconds: float | None = None) -> int:
        """Run a command to its end while the programs are watched; return its exit code."""
        child = start(program, terminal=terminal)
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            while (code := child.exit_code) is None:
                if deadline is not None and time.monotonic() > deadline:
                    raise ProgramFailed(child.failure(f"was not done within {seconds:.0f} seconds"))
                self.pause()
            return code
        finally:
            child.stop(seconds=5.0)

    def command(self, program: Program, seconds: float = 180.0) -> None:
        """Run a command of the start sequence. Raises ProgramFailed unless it exits 0."""
        code = self.run(program, seconds=seconds)
        if code != 0:
            raise ProgramFailed(failure(program, f"ended with {describe(code)}"))

    def watch(self) -> None:
        """Watch until interrupted."""
        while True:
            self.pause()

    def pause(self) -> None:
        """Wait a moment; bring back what died. Raises Interrupted, ProgramFailed."""
        time.sleep(POLL_SECONDS)
        if self._interrupted:
            raise Interrupted
        for slot in self._slots.values():
            self._look_after(slot)

    def stop_all(self) -> None:
        """End all programs, those started last first; one that will not end is killed."""
        for together in reversed(self._started):
            children = [self._slots[name].child for name in together]
            for child in children:
                if child is not None:
                    child.ask_to_stop()
            for child in children:
                if child is not None:
                    child.stop(seconds=0.5 if self._interrupted > 1 else STOP_SECONDS)
        self._slots.clear()
        self._started.clear()
        self._publish({})

    def _ready(self, child: Running) -> bool:
        if child.exit_code is not None:
            raise ProgramFailed(child.failure(f"ended with {describe(child.exit_code)}"))
        if child.program.ready():
            return True
        if time.monotonic() - child.started > child.program.ready_seconds:
            limit = f"{child.program.ready_seconds:.0f} seconds"
            raise ProgramFailed(child.failure(f"did not answer within {limit}"))
        return False

    def _look_after(self, slot: _Slot) -> None:
        now = time.monotonic()
        if slot.child is not None:
            code = slot.child.exit_code
            if code is None:
                return
            if not slot.answered:
                raise ProgramFailed(slot.child.failure(f"ended with {describe(code)}"))
            slot.child.kill()
            self._note_death(slot, code, now)
        elif now >= slot.due:
            slot.child = start(slot.program)
            self._tell()

    def _note_death(self, slot: _Slot, code: int, now: float) -> None:
        name, patience = slot.program.name, self._patience
        while slot.deaths and slot.deaths[0] < now - patience.window_seconds:
            slot.deaths.popleft()
        slot.deaths.append(now)
        if slot.child is not None and len(slot.deaths) > patience.deaths_max:
            within = f"{patience.window_seconds:.0f} seconds"
            what = f"died {len(slot.deaths)} times within {within}, last with {describe(code)}"
            raise ProgramFailed(slot.child.failure(what))
        wait = patience.pauses_seconds[min(len(slot.deaths), len(patience.pauses_seconds)) - 1]
        slot.child, slot.due = None, now + wait
        self._notice(f"{name} ended ({describe(code)}); started again in {wait:g} s")

    def _tell(self) -> None:
        children = {name: slot.child for name, slot in self._slots.items()}
        self._publish({name: child.pid for name, child in children.items() if child is not None})

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupted += 1
        if self._interrupted > 2:
            os.write(2, b"\nstopping; every program is being ended\n")

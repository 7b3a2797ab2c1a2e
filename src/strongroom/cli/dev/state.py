"""The state folder: everything that a development run keeps, and the marks that say how far it is.

`stamp.json` tells our folder from somebody else's, and a finished one from a half-made one. One
supervisor at a time holds `lock`. Nothing but a folder that carries the stamp is ever deleted.
"""

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

from strongroom.cli.dev.guardian import end_groups, groups
from strongroom.cli.dev.program import ProgramFailed

LAYOUT = 5


class State:
    """The folder and its marks. `open` first; the lock is held until the process ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.stamp = self.folder / "stamp.json"
        self.logs = self.folder / "logs"
        self.secrets = self.folder / "secrets"
        self.pids = self.folder / "pids.json"
        self._lock = -1

    def path(self, *parts: str) -> Path:
        """Return a path inside the folder."""
        return self.folder.joinpath(*parts)

    def open(self, *, fresh: bool) -> None:
        """Take the folder. Raises ProgramFailed: foreign, half-made, other layout, or in use."""
        if self._is_foreign():
            message = (
                f"{self.folder} holds files but no stamp of ours, so it is left alone. "
                "Name another folder: scripts/run --state DIR"
            )
            raise ProgramFailed(message)
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._take_lock()
        if fresh:
            self.end_former_run()
            self._empty()
        if not self.stamp.exists():
            self._write(made=False)
            return
        self._check_stamp()
        self.end_former_run()

    def close(self) -> None:
        """Give the folder up; the end of the process does the same."""
        os.close(self._lock)
        self._lock = -1

    def finish(self) -> None:
        """Mark the folder as made: databases, tokens and contracts are there."""
        self._write(made=True)

    @property
    def made(self) -> bool:
        """Say whether an earlier start got as far as `finish`."""
        return bool(self._read(self.stamp).get("made"))

    def mark(self, name: str) -> None:
        """Remember that something was done (`first-day`, `migrated-…`)."""
        self.path(f"{name}.done").touch()

    def marked(self, name: str) -> bool:
        """Say whether `mark(name)` was called in this folder's life."""
        return self.path(f"{name}.done").exists()

    def write_pids(self, pids: dict[str, int]) -> None:
        """Publish who runs, for `strongroom dev kill` and for the start after a crash."""
        rows = {name: {"pid": pid, "born": _birth(pid)} for name, pid in pids.items()}
        making = self.pids.with_suffix(".making")
        making.write_text(json.dumps({"supervisor": os.getpid(), "programs": rows}, indent=1))
        making.replace(self.pids)

    def read_pids(self) -> dict[str, int]:
        """Return the programs of the present or last run that are still alive, by name."""
        rows = self._read(self.pids).get("programs", {})
        return {
            name: row["pid"]
            for name, row in rows.items()
            if row["born"] is not None and _birth(row["pid"]) == row["born"]
        }

    def end_former_run(self) -> None:
        """Wait for what a killed supervisor's programs still do, then end what stays."""
        end_groups(groups(self.pids) if self.read_pids() else ())
        self.pids.unlink(missing_ok=True)

    def _is_foreign(self) -> bool:
        if not self.folder.exists() or self.stamp.exists():
            return False
        return self._holds_more_than({"lock"})

    def _holds_more_than(self, names: set[str]) -> bool:
        return any(entry.name not in names for entry in self.folder.iterdir())

    def _check_stamp(self) -> None:
        stamp = self._read(self.stamp)
        if stamp.get("layout") != LAYOUT:
            what = f"was made by another version (layout {stamp.get('layout')}, ours is {LAYOUT})"
        elif not stamp.get("made") and self._holds_more_than({"stamp.json", "lock", "pids.json"}):
            what = "is half made: an earlier first start was cut short"
        else:
            return
        message = f"The state folder {self.folder} {what}. Begin again: scripts/run --fresh"
        raise ProgramFailed(message)

    def _take_lock(self) -> None:
        self._lock = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = self._read(self.pids).get("supervisor", "unknown")
            message = (
                f"Strongroom already runs on {self.folder} (process {pid}). Stop it with Ctrl-C "
                "there, or give this one a folder and ports: scripts/run --state DIR --port-base N"
            )
            raise ProgramFailed(message) from None

    def _empty(self) -> None:
        for entry in self.folder.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _write(self, *, made: bool) -> None:
        making = self.stamp.with_suffix(".making")
        making.write_text(json.dumps({"layout": LAYOUT, "made": made}) + "\n")
        making.replace(self.stamp)

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            read: dict[str, Any] = json.loads(path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return read


def _birth(pid: int) -> int | None:
    """Return the process's start in clock ticks, so that a reused pid is not taken for it."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])

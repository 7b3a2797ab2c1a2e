"""What the day remembers and what it says: a step that was done is not done twice."""

import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

Value = TypeVar("Value")
LOG_WIDTH = 400
"""Columns where nobody looks: a log's lines stay whole. A terminal's lines break between words."""
INDENT = (0, 0, 0, 4)


class DayFailed(Exception):
    """Something is not as it should be; the message says what was expected and what was found."""


class Diary:
    """A JSON file (0600) of what was made, and the lines that a person reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._console = Console(file=sys.stdout, highlight=False)
        if not self._console.is_terminal:
            self._console.width = LOG_WIDTH
        self._values: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.day = self.once("day", lambda: secrets.token_hex(6))

    def once(self, name: str, make: Callable[[], Value]) -> Value:
        """Return the value of that name; make it and write it down if it is new."""
        if name not in self._values:
            self._values[name] = make()
            self._save()
        kept: Value = self._values[name]
        return kept

    def get(self, name: str) -> Any:
        """Return a value that an earlier step made."""
        if name not in self._values:
            raise DayFailed(f"The day does not know {name!r}: an earlier step did not finish.")
        return self._values[name]

    def key(self, name: str) -> str:
        """Return the idempotency key of a request: the same one whenever the day is resumed."""
        return f"day-{self.day}-{name}"

    def step(self, number: int, title: str) -> None:
        """Begin a step."""
        self._console.print(f"\n[bold cyan]{number:>2}[/]  [bold]{title}[/]")

    def say(self, text: str, lead: str = "") -> None:
        """Say what happened; what a narrow terminal cannot hold goes on below, beside the lead."""
        line: Table | str = text
        if lead:
            line = Table.grid()
            line.add_column(no_wrap=True)
            line.add_column()
            line.add_row(lead, text)
        self._console.print(Padding(line, INDENT, expand=False))

    def check(self, holds: bool, what: str, found: object = "") -> None:
        """Say that something was checked and holds, or stop the day."""
        if not holds:
            raise DayFailed(f"{what}: this does not hold{f' (found {found})' if found else ''}.")
        self.say(f"[dim]{what}[/]", "[green]✓[/] ")

    def table(self, *rows: tuple[str, ...]) -> None:
        """Print a small table; the first row is its head, all but the first column right."""
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        for number, head in enumerate(rows[0]):
            table.add_column(head, justify="left" if number == 0 else "right", no_wrap=True)
        for row in rows[1:]:
            table.add_row(*row)
        self._console.print(Padding(table, INDENT, expand=False))

    def _save(self) -> None:
        making = self._path.with_suffix(".making")
        descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self._values, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        making.replace(self._path)

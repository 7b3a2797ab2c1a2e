"""What the first day says fits a terminal of 80 columns, and no word of it is cut."""

import fcntl
import os
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.factories.parts.place import REPOSITORY

ADDRESS = "0x1234567890abcdef1234567890abcdef12345678"
REPORT = f"""Strongroom export export.zip
  log root      0x{"ab" * 32}

  INTEGRITY     PASS         the records are in the log that was signed, and so are all of the
                             rows that they name
"""
PLAY = f"""
import sys
from pathlib import Path
from first_day.diary import Diary
from first_day.proof import paragraphs
diary = Diary(Path(sys.argv[1]))
diary.step(1, "People")
diary.say("a line of 76 letters " + "m" * 55)
diary.check(True, "shippers {ADDRESS} derived from the xpub here, vouched for by the HSM")
roles = "owner\\nadministrator\\naccountant"
diary.table(("who", "roles", "own key"), ("Carmen Compliance", roles, "{ADDRESS}"))
for lead, text in paragraphs({REPORT!r}):
    diary.say(text, lead)
"""


def shown(folder: Path, columns: int | None) -> list[str]:
    """Return the lines that a terminal of so many columns gets, or a file."""
    command = [sys.executable, "-c", PLAY, str(folder / "day.json")]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{REPOSITORY / 'scripts'}:{REPOSITORY / 'src'}",
        "TERM": "dumb",
    }
    if columns is None:
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return done.stdout.splitlines()
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    subprocess.run(command, env=environment, check=True, stdin=theirs, stdout=theirs, timeout=30)
    os.close(theirs)
    text = b""
    while chunk := _read(ours):
        text += chunk
    os.close(ours)
    return text.decode().splitlines()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other end is closed and all is read
        return b""


@pytest.mark.parametrize("columns", [80, 132])
def test_a_terminals_lines_fit_and_break_between_words(columns: int, tmp_path: Path) -> None:
    lines = shown(tmp_path, columns)
    assert max(map(len, lines)) <= columns
    assert f"    a line of 76 letters {'m' * 55}" in (line.rstrip() for line in lines)
    text = " ".join(" ".join(lines).split())
    assert f"✓ shippers {ADDRESS} derived from the xpub here, vouched for by the HSM" in text
    assert f"Carmen Compliance owner {ADDRESS} administrator accountant" in text
    assert "are in the log that was signed, and so are all of the rows that they name" in text


def test_what_goes_on_stands_beside_its_lead(tmp_path: Path) -> None:
    lines = shown(tmp_path, 80)
    first = next(i for i, line in enumerate(lines) if "INTEGRITY" in line)
    column = lines[first].index("the records")
    assert lines[first + 1][:column].strip() == ""
    assert lines[first + 1][column] != " "


def test_a_logs_lines_are_whole(tmp_path: Path) -> None:
    lines = [line.strip() for line in shown(tmp_path, None)]
    assert f"✓ shippers {ADDRESS} derived from the xpub here, vouched for by the HSM" in lines

"""`scripts/redteam`: attacks a signer in every way we know, and says in words what came of it.

Without a verb it runs the cases: what was tried, and the refusal. `mutations` takes one check after
another out of a copy of the source and demands that the named case turns red.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from verbs.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "tests/integration/strongroom_signer/redteam"
COPIED = ("src", "tests", "scripts")
AT_ONCE = 2
SECONDS_MAX = 180
WIDTH = 98


class Words:
    """A pytest plugin that tells people instead of printing dots."""

    def __init__(self) -> None:
        self.attacks = 0
        self._subject = ""

    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str]:
        """No dots: each case has its own lines."""
        return (report.outcome if report.when == "call" or report.failed else "", "", "")

    def pytest_runtest_logreport(self, report: Any) -> None:
        """One case, when it is over."""
        said = dict(report.user_properties)
        if report.when != "call" or "tried" not in said:
            return
        self.attacks += report.passed
        if said["subject"] != self._subject:
            self._subject = said["subject"]
            print(f"\n{self._subject.upper()}")
        name = report.nodeid.rpartition("[")[2].rstrip("]").rpartition(".")[2].replace("_", " ")
        print(f"  {'refused ' if report.passed else 'HONOURED'} {name}")
        told = f"-> {said['refusal']}" if "refusal" in said else "-> see below"
        for words in (said["tried"], told):
            print(textwrap.fill(words, WIDTH, initial_indent=" " * 11, subsequent_indent=" " * 14))


def run(arguments: Sequence[str]) -> int:
    """Run the cases in this process; return pytest's exit code."""
    import pytest  # noqa: PLC0415  (--help works before the environment is there)

    words = Words()
    options = ["-q", "--no-header", "-n0", "-o", "console_output_style=classic", "-r", "N"]
    code = int(pytest.main([*options, FOLDER, *arguments], plugins=[words]))
    verdict = "each was refused" if code == 0 else "NOT all were refused: see above"
    print(f"{words.attacks} attacks with words of their own; {verdict}.")
    return code


def mutations(names: Sequence[str]) -> int:
    """Print the table of mutants; return 1 unless the named case caught each of them."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    with ExitStack() as stack:
        copies: SimpleQueue[Path] = SimpleQueue()
        for _ in range(AT_ONCE):
            copies.put(
                _copy(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sr-mu-"))))
            )
        first = copies.get()
        sound, output = _red(first, sorted({mutant.caught_by for mutant in chosen}))
        copies.put(first)
        if sound:
            print(f"Without any mutation a case is red already:\n{output}")
            return 1

        def try_one(mutant: Mutant) -> tuple[Mutant, bool, float]:
            copy, begun = copies.get(), time.monotonic()
            try:
                return mutant, _caught(copy, mutant), time.monotonic() - begun
            finally:
                copies.put(copy)

        caught = 0
        print(f"{'':7} {'what was taken out':52} caught by")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for mutant, red, seconds in pool.map(try_one, chosen):
                caught += red
                word = "caught" if red else "ALIVE"
                print(f"{word:7} {mutant.name:52} {mutant.caught_by} ({seconds:.1f} s)", flush=True)
    print(f"{caught} of {len(chosen)} mutants were caught by the case that is named for them.")
    return 0 if caught == len(chosen) else 1


def _copy(place: Path) -> Path:
    """The source as it stands, without what Python compiled."""
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, place / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


def _caught(copy: Path, mutant: Mutant) -> bool:
    """Is the named case red with this mutation; the copy is as before afterwards."""
    path = copy / mutant.file
    text = path.read_text()
    if text.count(mutant.text) != 1:
        sys.exit(f"mutations: {mutant.name!r} does not fit {mutant.file} any more: renew its text.")
    path.write_text(text.replace(mutant.text, mutant.instead))
    try:
        red, _ = _red(copy, [mutant.caught_by])
    finally:
        path.write_text(text)
    return red


def _red(copy: Path, cases: Sequence[str]) -> tuple[bool, str]:
    """Whether one of the cases fails, and pytest's output; leaves when they could not be run."""
    nodes = [f"{FOLDER}/{case}" for case in cases]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n0",
            "-p",
            "no:cacheprovider",
            "--tb=short",
            *nodes,
        ],
        cwd=copy,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    red = done.returncode == 1 and " error" not in done.stdout.splitlines()[-1]
    if done.returncode not in (0, 1) or (done.returncode == 1 and not red):
        sys.exit(
            f"mutations: the cases could not be run:\n{done.stdout[-3000:]}{done.stderr[-500:]}"
        )
    return red, done.stdout


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="scripts/redteam", description=__doc__)
    verbs = parser.add_subparsers(dest="verb")
    table = verbs.add_parser("mutations", help="take checks out; each must be missed by its case")
    table.add_argument("names", nargs="*", help="only these mutants")
    verbs.add_parser("cases", help="run the cases; what follows goes to pytest (-k WORDS)")
    parsed, rest = parser.parse_known_args()
    os.chdir(ROOT)
    if parsed.verb == "mutations":
        if rest:
            parser.error(f"unknown: {' '.join(rest)}")
        sys.exit(mutations(parsed.names))
    sys.exit(run(rest))


if __name__ == "__main__":
    main()

"""`scripts/test`: runs the parts in order, says their seconds, and ends with one plain count."""

import argparse
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
CODE = ("src", "tests", "scripts")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|errors?)\b")
PYTEST_CLOSING = re.compile(r"^=* ?(?:\d+ (?:passed|failed|error|skipped)).* in [\d.]+s")
FORGE_CLOSING = re.compile(r"(\d+) tests? passed, (\d+) failed")
NO_TESTS = 5

LINTS = (
    ("ruff check", ("ruff", "check", "--quiet", *CODE)),
    ("ruff format", ("ruff", "format", "--quiet", "--check", *CODE)),
    ("import-linter", ("lint-imports",)),
    ("mypy --strict", ("mypy", *CODE)),
)


@dataclass
class Outcome:
    """What one part came to."""

    part: str
    passed: int = 0
    failed: int = 0
    seconds: float = 0.0
    note: str = ""


def lint(arguments: Sequence[str]) -> Outcome:
    """Run style, types and architecture; each tool counts as one test."""
    outcome = Outcome("lint")
    for name, command in LINTS:
        begun = time.monotonic()
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:], *arguments],
            cwd=ROOT,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        good = done.returncode == 0
        outcome.passed += good
        outcome.failed += not good
        print(f"  {'ok    ' if good else 'FAILED'} {name} ({time.monotonic() - begun:.1f} s)")
        if not good:
            print(done.stdout)
    return outcome


def pytest_part(part: str, *options: str) -> Callable[[Sequence[str]], Outcome]:
    """Return a part that runs pytest on tests/PART."""

    def run(arguments: Sequence[str]) -> Outcome:
        folder = ROOT / "tests" / part
        if not any(folder.rglob("test_*.py")):
            return Outcome(part, note="no tests yet")
        colour = "yes" if sys.stdout.isatty() else "no"
        command = [str(BIN / "pytest"), "-q", f"--color={colour}", *options]
        code, lines = stream([*command, f"tests/{part}", *arguments])
        outcome = Outcome(part)
        closing = next((line for line in reversed(lines) if PYTEST_CLOSING.match(line)), "")
        for number, what in PYTEST_COUNT.findall(closing):
            if what == "passed":
                outcome.passed += int(number)
            else:
                outcome.failed += int(number)
        settle(outcome, code)
        return outcome

    return run


def contracts(arguments: Sequence[str], out: TextIO = sys.stdout) -> Outcome:
    """Run Foundry's tests."""
    code, lines = stream([str(ROOT / "scripts" / "contracts"), "test", *arguments], out)
    outcome = Outcome("contracts")
    for line in lines:
        if line.startswith("Ran ") and "test suites" in line:
            found = FORGE_CLOSING.search(line)
            if found:
                outcome.passed += int(found[1])
                outcome.failed += int(found[2])
    settle(outcome, code)
    return outcome


def settle(outcome: Outcome, code: int) -> None:
    """Make a part that ended with an error, or ran nothing, count as failed."""
    if code == NO_TESTS or (code == 0 and outcome.passed == 0):
        outcome.failed += 1
        outcome.note = "ran no test"
    elif code != 0 and outcome.failed == 0:
        outcome.failed += 1
        outcome.note = f"ended with exit code {code}"


def stream(command: Sequence[str], out: TextIO = sys.stdout) -> tuple[int, list[str]]:
    """Run a command with its output passed on line by line; return exit code and plain lines."""
    lines = []
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as child:
        for line in child.stdout or ():
            out.write(line)
            out.flush()
            lines.append(ANSI.sub("", line.rstrip("\n")))
    return child.returncode, lines


PARTS: dict[str, tuple[str, Callable[[Sequence[str]], Outcome]]] = {
    "lint": ("ruff, import-linter, mypy --strict", lint),
    "tidy": ("our own rules about the code", pytest_part("tidy")),
    "unit": ("no socket, no database", pytest_part("unit", "-n2", "--dist=worksteal")),
    "integration": (
        "real PostgreSQL, Valkey, SoftHSM, Anvil",
        # In the order of their folders: the simulation's seeds, which take longest, begin early.
        pytest_part("integration", "-n2", "--dist=loadfile", "--no-loadscope-reorder"),
    ),
    "contracts": ("Foundry: unit, fuzz, short invariants", contracts),
    "e2e": ("the whole service, the console in a browser", pytest_part("e2e", "--timeout=900")),
}


def main() -> int:
    """Run what was asked for; return 0 only when nothing failed."""
    options = arguments()
    chosen = [options.part] if options.part else list(PARTS)
    begun = time.monotonic()
    outcomes = []
    with ThreadPoolExecutor(1) as beside:
        for name in chosen:
            if name == "e2e" and "contracts" in chosen:
                # Contracts compile on one core while the service's processes wait for each other.
                kept = io.StringIO()
                compiled = beside.submit(timed, contracts, options.rest, kept)
                outcomes.append(announced(name, options.rest))
                print(f"\n── contracts: {PARTS['contracts'][0]} ──", flush=True)
                outcomes.append(compiled.result())
                print(kept.getvalue(), flush=True)
            elif name != "contracts" or "e2e" not in chosen:
                outcomes.append(announced(name, options.rest))
    for outcome in outcomes:
        if options.part and outcome.note == "no tests yet":
            outcome.failed += 1
    tell(outcomes, time.monotonic() - begun)
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def announced(name: str, rest: Sequence[str]) -> Outcome:
    """Run one part under its heading."""
    what, run = PARTS[name]
    print(f"\n── {name}: {what} ──", flush=True)
    return timed(run, rest)


def timed(run: Callable[..., Outcome], *values: object) -> Outcome:
    """Run one part; its outcome says its seconds."""
    started = time.monotonic()
    outcome = run(*values)
    outcome.seconds = time.monotonic() - started
    return outcome


def arguments() -> argparse.Namespace:
    """Read the command line: a part, and what goes on to pytest."""
    listed = "\n".join(f"  {name:<12} {what}" for name, (what, _) in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description="Sets up, then runs every part in this order, or the one named:\n" + listed,
        epilog="Further words go to pytest (or forge): scripts/test unit -k amounts",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", nargs="?", choices=[*PARTS, "all"], metavar="PART")
    options, rest = parser.parse_known_args()
    options.rest = rest
    if options.part == "all":
        options.part = None
    if options.rest and options.part is None:
        parser.error(f"name a part before {' '.join(options.rest)}")
    return options


def tell(outcomes: Sequence[Outcome], seconds: float) -> None:
    """Print the table of parts, then the plain line that machines read."""
    print()
    for outcome in outcomes:
        state = "FAILED" if outcome.failed else "ok"
        counts = f"{outcome.passed:>5} passed {outcome.failed:>4} failed"
        print(f"  {outcome.part:<12} {state:<7}{counts} {outcome.seconds:>8.1f} s  {outcome.note}")
    print(f"  {'all':<12} {'':<7}{'':<24} {seconds:>8.1f} s\n")
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"{passed} passed, {failed} failed", flush=True)


if __name__ == "__main__":
    sys.exit(main())

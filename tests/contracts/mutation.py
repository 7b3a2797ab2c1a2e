"""Break one condition of the contracts after the other; each must turn a test red.

Works in a copy, so that a crash leaves no broken contract behind. A mutant that no test notices
is a hole in the tests: the exit code is 1 and its line is named.
"""

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.contracts.mutants import MUTANTS

REPOSITORY = Path(__file__).parents[2]
# A condition that only a rare input shows is no condition that tests hold.
FUZZ_RUNS = "64"


class ForgeError(Exception):
    """Forge ended without a verdict, most likely because a mutant does not compile."""


def main() -> int:
    """Run each mutant, or those whose number is named on the command line."""
    wanted = {int(word) for word in sys.argv[1:]} or set(range(1, len(MUTANTS) + 1))
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        place = copy_tree(Path(folder))
        folders = sorted({tests_of(MUTANTS[number - 1][0]) for number in wanted})
        red = next(filter(None, (first_red(place, one) for one in folders)), "")
        if red:
            sys.stderr.write(f"The tests are red without a mutant: {red}\n")
            return 1
        survivors = [
            number
            for number, mutant in enumerate(MUTANTS, start=1)
            if number in wanted and not caught(place, number, *mutant)
        ]
    sys.stdout.write(f"{len(wanted) - len(survivors)} of {len(wanted)} mutants were caught\n")
    return 1 if survivors else 0


def copy_tree(place: Path) -> Path:
    """Copy what Foundry needs; node_modules by a link, which forge must be allowed to read."""
    hidden = shutil.ignore_patterns("node_modules")
    modules = REPOSITORY / "contracts/node_modules"
    shutil.copytree(REPOSITORY / "contracts", place / "contracts", ignore=hidden)
    shutil.copytree(REPOSITORY / "tests/contracts", place / "tests/contracts")
    settings = (REPOSITORY / "foundry.toml").read_text()
    allowed = f'fs_permissions = [{{ access = "read", path = "{modules}" }}, '
    (place / "foundry.toml").write_text(settings.replace("fs_permissions = [", allowed))
    (place / "contracts/node_modules").symlink_to(modules)
    return place


def caught(place: Path, number: int, name: str, old: str, new: str) -> bool:
    """Break one place, run the tests, mend it; tell which test noticed."""
    path = place / "contracts" / name
    whole = path.read_text()
    if whole.count(old) != 1:
        raise SystemExit(f"mutant {number}: {name} has {whole.count(old)} times: {old!r}")
    path.write_text(whole.replace(old, new))
    try:
        red = first_red(place, tests_of(name))
    except ForgeError:
        red = ""  # a mutant that does not compile shows nothing
    path.write_text(whole)
    line = whole[: whole.index(old)].count("\n") + 1
    short = " ".join(old.split())[:60]
    sys.stdout.write(f"{number:3} {name}:{line} {short} → {red or 'NOBODY NOTICED'}\n")
    sys.stdout.flush()
    return bool(red)


def tests_of(name: str) -> str:
    """The folder of tests that answers for a contract: its own, the guard's for libraries."""
    folder = name.split("/", maxsplit=1)[0]
    return folder if folder in ("anchor", "exit", "sweep") else "guard"


def first_red(place: Path, folder: str) -> str:
    """Name the first test of a folder that fails; empty if all is green."""
    path = f"tests/contracts/{folder}/*"
    done = forge(place, "test", "--match-path", path, "--fail-fast", "--fuzz-runs", FUZZ_RUNS)
    if done.returncode == 0:
        return ""
    found = re.search(r"\[FAIL.*\] (\w+)\(", done.stdout)
    if found:
        return found.group(1)
    sys.stderr.write(f"{done.stdout}\n{done.stderr}\n")
    raise ForgeError


def forge_binary(place: Path) -> Path:
    """Forge's own binary in the node_modules of `place`."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"forge-{platform.system().lower()}-{machine}"
    return place / "contracts/node_modules/@foundry-rs" / package / "bin/forge"


def forge(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run forge's own binary: npm's wrapper in .bin ends with 0 whatever happened."""
    command = [str(forge_binary(place)), *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())

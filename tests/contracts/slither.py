"""Run slither over our contracts; each finding must be answered in contracts/README.md.

A finding is named `detector Contract.function`. One that has no row in the README's table, or a
row that slither no longer has a finding for, makes the exit code 1.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.contracts.mutation import REPOSITORY, forge_binary

README = REPOSITORY / "contracts/README.md"
INSTALL = (
    "slither is not installed. It is not in the lock, because it brings forty packages for one "
    "verb. Put it into an environment of its own and name it:\n"
    "  python3 -m venv ~/.slither && ~/.slither/bin/pip install slither-analyzer==0.11.6\n"
    "  SLITHER=~/.slither/bin/slither scripts/contracts slither\n"
)


def main() -> int:
    """Compare what slither finds with what the README answers."""
    slither = shutil.which(os.environ.get("SLITHER", "slither"))
    if slither is None:
        sys.stderr.write(INSTALL)
        return 2
    found = findings(slither)
    answered = set(re.findall(r"^\| `([a-z-]+ [\w.]+)` \|", README.read_text(), re.MULTILINE))
    for name in sorted(found - answered):
        sys.stdout.write(f"{name}: new. Mend it, or answer it in {README.name}.\n")
    for name in sorted(answered - found):
        sys.stdout.write(f"{name}: {README.name} answers it, but slither finds it no more.\n")
    sys.stdout.write(f"{len(found)} findings, {len(found & answered)} of them answered\n")
    return 1 if found != answered else 0


def findings(slither: str) -> set[str]:
    """Compile only contracts/, in a folder of its own, and let slither read the result."""
    forge = forge_binary(REPOSITORY)
    path = f"{forge.parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    with tempfile.TemporaryDirectory(prefix="slither-") as folder:
        out, cache, report = (Path(folder) / name for name in ("out", "cache", "report.json"))
        places = ("--out", str(out), "--cache-path", str(cache))
        ours = ("contracts", "--skip", "tests/**")
        _run(environment, str(forge), "build", "--silent", "--build-info", *places, *ours)
        read = ("--ignore-compile", "--foundry-out-directory", str(out))
        tell = ("--filter-paths", "node_modules", "--fail-none", "--json", str(report))
        _run(environment, slither, ".", *read, *tell)
        answer: dict[str, Any] = json.loads(report.read_text())
    if not answer["success"]:
        raise SystemExit(f"slither failed: {answer['error']}")
    return {f"{found['check']} {_place(found)}" for found in answer["results"]["detectors"]}


def _place(found: dict[str, Any]) -> str:
    """`Contract.function` of the first element of a finding."""
    element: dict[str, Any] = found["elements"][0]
    while element["type"] not in ("function", "contract"):
        element = element["type_specific_fields"]["parent"]
    if element["type"] == "contract":
        return str(element["name"])
    return f"{element['type_specific_fields']['parent']['name']}.{element['name']}"


def _run(environment: dict[str, str], *command: str) -> None:
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())

"""What every bench prints: turns of ours and of the raw limit, their ratio, and this machine."""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FSYNCS = 64


@dataclass(frozen=True)
class Pair:
    """One turn: ours and the raw limit, measured one after the other, in the same unit."""

    ours: float
    raw: float

    @property
    def ratio(self) -> float:
        """Ours over raw; 1.0 = nothing lost."""
        return self.ours / self.raw


def in_turns(ours: Callable[[], float], raw: Callable[[], float], *, turns: int = 5) -> list[Pair]:
    """Measure ours and the raw limit in turns; who goes first alternates. Figures are rates."""
    pairs = []
    for turn in range(turns):
        if turn % 2:
            limit = raw()
            pairs.append(Pair(ours(), limit))
        else:
            figure = ours()
            pairs.append(Pair(figure, raw()))
    return pairs


def report(
    bench: str,
    what: str,
    unit: str,
    pairs: Sequence[Pair],
    *,
    raw_limit_is: str,
    more: Mapping[str, object] | None = None,
    postgres: str | None = None,
) -> dict[str, object]:
    """Print the table on standard error and the JSON as the last line of standard output.

    `figure` and `raw_limit` are medians in `unit`; `ratio` is the median of the pairs' ratios,
    `spread` the distance between the highest and the lowest of them, as a share of the median.
    """
    ratios = [pair.ratio for pair in pairs]
    ratio = statistics.median(ratios)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime + children.ru_utime + children.ru_stime
    body: dict[str, object] = {
        "bench": bench,
        "what": what,
        "figure": round(statistics.median(pair.ours for pair in pairs), 3),
        "unit": unit,
        "raw_limit": round(statistics.median(pair.raw for pair in pairs), 3),
        "raw_limit_is": raw_limit_is,
        "ratio": round(ratio, 4),
        "spread": round((max(ratios) - min(ratios)) / ratio, 4),
        "cpu_seconds": round(cpu, 2),
        "fsync_us": fsync_us(),
        "commit": commit(),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "postgres": postgres,
        },
        **(more or {}),
    }
    _table(body, pairs, unit)
    print(json.dumps(body), flush=True)
    return body


def fsync_us(folder: Path | None = None) -> float:
    """Median microseconds of an 8 KiB write and fsync where the data would lie."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            file.write(b"\0" * 8192)
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - begun) * 1e6)
    return round(statistics.median(took), 1)


def commit() -> str:
    """Short hash of the commit that is checked out, with a + when the tree differs from it."""
    try:
        found = _git("rev-parse", "--short", "HEAD")
        return found + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def _table(body: Mapping[str, object], pairs: Sequence[Pair], unit: str) -> None:
    lines = [f"{body['bench']}: {body['what']}", f"  raw limit: {body['raw_limit_is']}", ""]
    lines.append(f"  {'turn':>4} {'ours':>16} {'raw limit':>16}  ratio   ({unit})")
    for number, pair in enumerate(pairs, 1):
        lines.append(f"  {number:>4} {pair.ours:>16,.1f} {pair.raw:>16,.1f}  {pair.ratio:.3f}")
    lines.append(f"  median ratio {body['ratio']}, spread {body['spread']}")
    known = {"bench", "what", "unit", "raw_limit_is", "ratio", "spread", "figure", "raw_limit"}
    rest = {name: value for name, value in body.items() if name not in known}
    lines += [f"  {name:<18} {value}" for name, value in rest.items()]
    print("\n".join(lines), file=sys.stderr)

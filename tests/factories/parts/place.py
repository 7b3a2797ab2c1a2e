"""Short folders and free ports for the parts that tests start."""

import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
# Below the first port of outgoing connections (Linux: 32768).
BASES = (12_000, 32_000)


@contextmanager
def short_folder(prefix: str) -> Iterator[Path]:
    """Give a folder with a short path (a unix socket must fit in), and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"sr-{prefix}-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def free_base(count: int = 9) -> int:
    """Return a port from which `count` in a row were free a moment ago: none of those that the
    system gives to outgoing connections, which would take one before it is listened on.
    """
    for _ in range(100):
        base = random.randrange(*BASES)
        if all(map(_is_free, range(base, base + count))):
            return base
    message = f"no {count} free ports in a row were found in 100 tries"
    raise RuntimeError(message)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

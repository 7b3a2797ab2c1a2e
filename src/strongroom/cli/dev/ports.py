"""Which loopback port each process has, and who sits on one that should be free."""

import errno
import socket
from dataclasses import dataclass
from pathlib import Path

from strongroom.cli.dev.probes import LOOPBACK
from strongroom.cli.dev.program import ProgramFailed

DEFAULT_BASE = 8420
LAST_BASE = 65_535 - 8
COMMAND_SHOWN = 24
"""What is left for the holder's command of a line of 80 columns."""


@dataclass(frozen=True)
class Ports:
    """Nine ports in a row from a base."""

    base: int

    @property
    def by_name(self) -> dict[str, int]:
        """Return each process's port. For api, node and valkey it is what they serve on."""
        names = ("api", "anvil", "valkey", "signer", "indexer", "relay", "screener")
        return {name: self.base + i for i, name in enumerate((*names, "worker", "beat"))}

    def of(self, name: str) -> int:
        """Return one process's port."""
        return self.by_name[name]

    def check_free(self) -> None:
        """Raise ProgramFailed naming each port in use, its holder, and a base that is free."""
        taken = {name: port for name, port in self.by_name.items() if not is_free(port)}
        if not taken:
            return
        lines = [
            f"port {port} ({name}) is in use by {holder(port)}" for name, port in taken.items()
        ]
        mend = f"End it, or take other ports: scripts/run --port-base {free_base(self.base)}"
        raise ProgramFailed("\n".join([*lines, mend]))


def is_free(port: int) -> bool:
    """Say whether we could listen on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_base(start: int, tries: int = 50) -> int:
    """Return the next base, in steps of 100, whose ports are all free."""
    for step in range(1, tries + 1):
        base = start + 100 * step
        if base + 10 < 65_536 and all(map(is_free, Ports(base).by_name.values())):
            return base
    return start + 1000


def holder(port: int) -> str:
    """Name the process that listens on the port, as far as this account may know."""
    import psutil  # noqa: PLC0415 - wanted only when something is in the way

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        address = connection.laddr
        listens = connection.status == psutil.CONN_LISTEN and address and address.port == port
        if listens and connection.pid is not None:
            try:
                process = psutil.Process(connection.pid)
                command = _shown(process.cmdline()) or process.name()
            except psutil.Error:
                break
            return f"process {connection.pid} ({command})"
    return "a process that this account may not see"


def _shown(words: list[str]) -> str:
    """Return a command without the folders of its files, cut to what fits on a line."""
    command = " ".join(Path(word).name if word.startswith("/") else word for word in words)
    return command if len(command) <= COMMAND_SHOWN else command[: COMMAND_SHOWN - 1] + "…"

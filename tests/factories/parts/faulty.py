"""The fault-making JSON-RPC proxy, as a program between a test and its nodes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from strongroom.cli.dev.program import Program, running
from tests.factories.parts.place import REPOSITORY, free_port, short_folder


@dataclass(frozen=True)
class FaultyNode:
    """A node's URL as a process of ours is given it, and what is wrong with it."""

    port: int

    @property
    def url(self) -> str:
        """JSON-RPC URL."""
        return f"http://127.0.0.1:{self.port}"

    def set(self, upstream: int | None = None, **faults: Any) -> None:
        """These faults from now on, and no others; `upstream` chooses the node behind."""
        wanted: dict[str, Any] = {"faults": faults}
        if upstream is not None:
            wanted["upstream"] = upstream
        answer = httpx.post(f"{self.url}/faults", json=wanted, trust_env=False)
        assert answer.status_code == 200, answer.text

    def counts(self) -> dict[str, int]:
        """How often each fault struck."""
        found: dict[str, int] = httpx.get(f"{self.url}/faults", trust_env=False).json()["counts"]
        return found


@contextmanager
def faulty_node(*upstreams: str, seed: int) -> Iterator[FaultyNode]:
    """Start the proxy in front of these nodes, honest at first; end it on the way out."""
    port = free_port()
    words = [word for url in upstreams for word in ("--upstream", url)]
    with short_folder("fp") as folder:
        program = Program(
            "proxy",
            (sys.executable, "-m", "tests.simulation.proxy", "--port", str(port),
             "--seed", str(seed), *words),
            folder / "proxy.log",
            environment={"PYTHONPATH": str(REPOSITORY)},
            ready=lambda: _is_up(port),
        )  # fmt: skip
        with running(program):
            yield FaultyNode(port)


def _is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/faults", trust_env=False).is_success
    except httpx.HTTPError:
        return False

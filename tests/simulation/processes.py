"""Starts, kills and watches the processes of a simulation."""

import multiprocessing
import signal
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess

from tests.simulation.roles import Orders, serve

CRASH = "STRONGROOM_CRASH_AT"
METHOD = multiprocessing.get_context("forkserver")
METHOD.set_forkserver_preload(["tests.simulation.roles"])


class DiedByItself(Exception):
    """A process ended, and nobody had killed it."""


@dataclass
class Staff:
    """The processes that run now, by name."""

    running: dict[str, tuple[Orders, BaseProcess]] = field(default_factory=dict)
    kills: int = 0

    def start(self, orders: Orders, crash_at: str = "") -> None:
        """Start one; one of that name is killed first."""
        self.kill(orders.role)
        environment = dict(orders.environment)
        environment[CRASH] = crash_at
        process = METHOD.Process(
            target=serve, args=(replace(orders, environment=environment),), daemon=True
        )
        process.start()
        self.running[orders.role] = orders, process

    def kill(self, role: str) -> Orders | None:
        """SIGKILL, and wait until it is gone; gives what it had been told."""
        found = self.running.pop(role, None)
        if found is None:
            return None
        orders, process = found
        process.kill()
        process.join()
        process.close()
        self.kills += 1
        return orders

    def restart(self, role: str, crash_at: str = "") -> None:
        """Kill it, if it runs, and start it again; dies at the point named."""
        orders = self.kill(role)
        if orders is not None:
            self.start(orders, crash_at)

    def tend(self) -> list[str]:
        """Start again whoever died at its crash point. Raises DiedByItself for any other end."""
        died = []
        for role, (orders, process) in list(self.running.items()):
            if process.exitcode is None:
                continue
            if process.exitcode != -signal.SIGKILL:
                message = f"{role} ended with {process.exitcode}; its log is {orders.log}"
                raise DiedByItself(message)
            died.append(role)
            self.restart(role)
        return died

    def end(self) -> None:
        """Kill them all."""
        for role in list(self.running):
            self.kill(role)

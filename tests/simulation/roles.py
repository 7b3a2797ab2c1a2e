"""The processes of a simulation: each is forked from a warm server and joined as in production.

Only the carrier between outbox and worker is left out: Celery's part is tested on its own, and the
office below takes messages from the same rows by the same leases.
"""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import connection, parent_process
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.bootstrap import indexer as indexer_process
from strongroom.bootstrap import relay as relay_process
from strongroom.bootstrap.worker import Services
from strongroom.config import Config
from strongroom.db.database import Database
from strongroom.db.outbox import Dispatcher, OutboxMessage
from strongroom.kit import log, loops
from strongroom.kit.clock import SystemClock
from strongroom.kit.loops import Loop
from strongroom.relay.rules import Pace
from strongroom.screening.screener import Screener
from strongroom.workers.app import Delivery
from strongroom.workers.beat import Beat
from strongroom.workers.jobs import handlers, jobs
from tests.simulation import planted

LOOPS_OF_THE_CREW = ("relay", "permits", "spending")
CREW_SECONDS = 0.4
"""Between the looks of one of many, who find each other's work done mostly."""
DELIVERERS = 2
LEASE_SECONDS = 5
PACE: dict[str, Any] = {
    "bump_after_seconds": 1,
    "rebroadcast_after_seconds": 0.3,
    "foresight_seconds": 4,
}
BACK_OFF_SECONDS = (0.05, 0.1, 0.2, 0.4)
"""After a failed step; a node of a simulation is ill for a second or two, not for an hour."""
HASTE = 5
"""Jobs that are due by the clock are due so much more often, at most once a second."""


@dataclass(frozen=True)
class Orders:
    """What a process is told. `environment`: of a `strongroom` process, and the crash point."""

    role: str
    environment: Mapping[str, str]
    urls: Mapping[str, str]
    """Database URL by role, for the office, which is several processes in one."""
    screener_key: bytes
    log: str
    fault: str | None = None
    workers: int = 0


def serve(orders: Orders) -> None:
    """Be this process until killed, or until whoever started us is gone."""
    os.environ.update(orders.environment)
    with open(orders.log, "a", buffering=1) as file:  # noqa: PTH123 - a descriptor is what is wanted
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115 - for ever
    log.configure(orders.role, json=False)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Everybody is as patient as ever, but their seconds are shorter.
    _replace(relay_process, "Pace", partial(Pace, **PACE))
    _replace(loops, "BACK_OFF_SECONDS", BACK_OFF_SECONDS)
    planted.plant(orders.fault)
    ROLES[orders.role](orders)


def _replace(module: ModuleType, name: str, value: object) -> None:
    """Another value of a name that the module looks up itself: it must be there, or nobody would.
    Raises KeyError.
    """
    vars(module)[name]
    vars(module)[name] = value


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _config(orders: Orders) -> Config:
    return Config.from_environment(orders.environment)


def indexer(orders: Orders) -> None:
    """`strongroom indexer`."""
    indexer_process.build(_config(orders)).run(threading.Event())


def twin(orders: Orders) -> None:
    """An indexer that never asks whether it leads: it takes the epoch that stands in the cursor."""
    process = indexer_process.build(_config(orders))

    class Forever:
        def __init__(self, _: object) -> None:
            pass

        def epoch(self) -> int | None:
            with process.database.read(None, planted.ACTOR) as uow:
                row = uow.execute("SELECT epoch FROM chain_cursor LIMIT 1").fetchone()
            return None if row is None else int(row[0])

    indexer_process.LeaderLock = Forever  # type: ignore[assignment, misc]
    process.run(threading.Event())


def relay(orders: Orders) -> None:
    """`strongroom relay`, without the carrier."""
    process = relay_process.build(_config(orders))
    steps = {name: step for name, step in process.steps.items() if name != "outbox"}
    replace(process, steps=steps).run(threading.Event())


def crew(orders: Orders) -> None:
    """Many threads on the relay's queues, which ask nobody whether they lead."""
    process = relay_process.build(_config(orders))
    stop = threading.Event()
    steps = [process.steps[name] for name in LOOPS_OF_THE_CREW]
    _run_all([(steps[n % len(steps)][0], CREW_SECONDS) for n in range(orders.workers)], stop)


def office(orders: Orders) -> None:
    """Worker, dispatcher, beat and screener."""
    config = _config(orders)
    worker, outbox, screener = (
        Database(
            orders.urls[role], clock=SystemClock(), pool_size=6, application_name=f"sim-{role}"
        )
        for role in ("worker", "relay", "screener")
    )
    delivery = Delivery(Services(config, worker, SystemClock()), handlers())

    def deliver(message: OutboxMessage) -> None:
        delivery.deliver(message.organisation_id, message.id)

    dispatcher = Dispatcher(outbox, deliver, lease_seconds=LEASE_SECONDS, limit=10)
    key = Ed25519PrivateKey.from_private_bytes(orders.screener_key)
    steps = [(dispatcher.step, 0.05)] * DELIVERERS
    often = [replace(job, every_seconds=max(1, job.every_seconds // HASTE)) for job in jobs()]
    steps += [(Beat(worker, often).step, 0.2), (Screener(screener, key).step, 0.05)]
    _run_all(steps, threading.Event())


def _run_all(steps: list[tuple[Callable[[], bool], float]], stop: threading.Event) -> None:
    threads = [
        Loop(f"loop {number}", step, pause, stop).start()
        for number, (step, pause) in enumerate(steps)
    ]
    for thread in threads:
        thread.join()


ROLES: dict[str, Callable[[Orders], None]] = {
    "indexer": indexer,
    "twin": twin,
    "relay": relay,
    "stand-by": relay,
    "crew": crew,
    "office": office,
}

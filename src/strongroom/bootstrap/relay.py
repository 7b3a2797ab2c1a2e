"""The relay process's parts, joined: what is signed goes out, what is due is dispatched, the log is
sequenced and signed. One process leads; others stand by and take over when its lock is gone.

Each chain has its own loops, threads, node and signer: what is away on one holds up no other.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.auditlog import checkpointer, sequencer
from strongroom.bootstrap.carrier import publisher
from strongroom.bootstrap.parts import part_name
from strongroom.chain.node import Node
from strongroom.config import ChainConfig, Config
from strongroom.db.database import Database
from strongroom.db.leader import Leader
from strongroom.db.outbox import Dispatcher
from strongroom.deposits.foreseen import SweepCalls
from strongroom.kit.clock import SystemClock
from strongroom.kit.health import HealthServer
from strongroom.kit.log import logger
from strongroom.kit.loops import Loop
from strongroom.kit.metrics import gauge
from strongroom.ledger.folding import Folder
from strongroom.relay import keys, revert_loop
from strongroom.relay.keys import KeyWatch, Thresholds
from strongroom.relay.loop import RelayLoop
from strongroom.relay.revert_loop import RevertLoop
from strongroom.relay.rules import Pace
from strongroom.relay.signer import SocketSigner
from strongroom.signing.checkpoints import SignerCheckpoints
from strongroom.signing.client import SignerClient
from strongroom.vaults import examiner, platform_check
from strongroom.vaults.sink import VaultObserver
from strongroom.vaults.step_loop import StepLoop
from strongroom.withdrawals import fee_levels
from strongroom.withdrawals.fee_levels import FeeLoop
from strongroom.withdrawals.foreseen import ExecutionCalls
from strongroom.withdrawals.permits import PermitLoop
from strongroom.withdrawals.simulation import SimulationLoop
from strongroom.withdrawals.sink import WithdrawalObserver
from strongroom.withdrawals.spending import SpendingLoop
from strongroom.withdrawals.spending_sink import SpendingObserver

HOUSE_CONNECTIONS: Final = 4
CHAIN_CONNECTIONS: Final = 6
"""A loop holds a connection while it reads or writes, never while a node or signer is asked."""
ELECTION_SECONDS: Final = 0.5
"""How often a stand-by tries to be elected, and a leader looks whether it still is."""
JOIN_SECONDS: Final = 20.0
"""Longer than the signer's time-out: a loop that is in a call is let finish it."""

Step = Callable[[], bool]
log = logger(__name__)


@dataclass(frozen=True)
class RelayProcess:
    """What `strongroom relay` runs. `steps`: name → (step, pause in seconds)."""

    database: Database
    leader: Leader
    steps: Mapping[str, tuple[Step, float]]
    checks: Mapping[str, Callable[[], None]]
    nodes: Sequence[Node]
    health_port: int

    def run(self, stop: threading.Event) -> None:
        """Lead, or stand by, until `stop` is set."""
        loops: list[Loop] = []

        def loops_step() -> None:
            for loop in tuple(loops):
                loop.check()

        health = HealthServer({**self.checks, "loops": loops_step}, self.health_port)
        health.start()
        leading = gauge("strongroom_leading", "1 while this process leads.", ("name",))
        try:
            while not stop.is_set():
                if self.leader.lead():
                    leading.labels(self.leader.name).set(1)
                    self._lead(stop, loops)
                    leading.labels(self.leader.name).set(0)
                else:
                    stop.wait(ELECTION_SECONDS)
        finally:
            health.stop()
            self.leader.resign()
            for node in self.nodes:
                node.close()
            self.database.close()

    def _lead(self, stop: threading.Event, loops: list[Loop]) -> None:
        """Run every loop until told to stop or until another process leads."""
        ended = threading.Event()
        loops[:] = [Loop(name, step, pause, ended) for name, (step, pause) in self.steps.items()]
        threads = [loop.start() for loop in loops]
        log.info("relay.leads", epoch=self.leader.epoch)
        while not stop.wait(ELECTION_SECONDS):
            if not self.leader.lead():
                log.warning("relay.lost_leadership")
                break
        ended.set()
        for thread in threads:
            thread.join(JOIN_SECONDS)
        loops.clear()


def build(config: Config) -> RelayProcess:
    """Join the parts. Raises ConfigurationInvalid, NodeUnavailable (no URL configured)."""
    url = config.require_database_url()
    database = Database(
        url,
        clock=SystemClock(),
        pool_size=HOUSE_CONNECTIONS + CHAIN_CONNECTIONS * len(config.chains),
        application_name="strongroom-relay",
    )
    log_signer = SignerCheckpoints(SignerClient(config.chains[0].signer_socket))
    checkpoints = checkpointer.Checkpointer(database, log_signer)
    steps: dict[str, tuple[Step, float]] = {
        "outbox": (Dispatcher(database, publisher(config.redis_url)).step, 0.05),
        "sequencer": (sequencer.Sequencer(database).step, sequencer.PAUSE_SECONDS),
        "checkpointer": (checkpoints.step, checkpointer.PAUSE_SECONDS),
        "ledger folding": (Folder(database).step, 1.0),
    }
    checks: dict[str, Callable[[], None]] = {"database": database.ping}
    nodes = []
    for chain in config.chains:
        signer, node = SignerClient(chain.signer_socket), Node(chain.rpc_urls, chain.chain_id)
        nodes.append(node)
        private = None
        if chain.private_rpc_urls:
            private = Node(chain.private_rpc_urls, chain.chain_id)
            nodes.append(private)
        for name, step in _chain_steps(database, signer, node, private, chain).items():
            steps[part_name(name, chain.chain_id, config.chains)] = step
        checks[part_name("signer", chain.chain_id, config.chains)] = signer.check
        checks[part_name("node", chain.chain_id, config.chains)] = node.check_chain
    return RelayProcess(
        database=database,
        leader=Leader(url, "relay"),
        steps=steps,
        checks=checks,
        nodes=nodes,
        health_port=config.health_port,
    )


def _chain_steps(
    database: Database, signer: SignerClient, node: Node, private: Node | None, chain: ChainConfig
) -> dict[str, tuple[Step, float]]:
    """What runs for one chain alone: its node and its signer hold up no other chain's loops."""
    chain_id = node.chain_id
    relay_loop = RelayLoop(
        database,
        SocketSigner(signer),
        node,
        chain_id=chain_id,
        observers=(VaultObserver(), WithdrawalObserver(), SpendingObserver()),
        calls=(ExecutionCalls(), SweepCalls()),
        pace=Pace(private_seconds=chain.private_seconds),
        private=private,
    )
    thresholds = Thresholds(chain.gas_low_transactions, chain.gas_full_transactions)
    platform = platform_check.PlatformCheck(database, signer, chain_id)
    vault_examiner = examiner.Examiner(database, node, chain_id)
    return {
        "relay": (relay_loop.step, 0.1),
        "keys": (KeyWatch(database, node, chain_id, thresholds).step, keys.PAUSE_SECONDS),
        "reverts": (RevertLoop(database, node, chain_id).step, revert_loop.PAUSE_SECONDS),
        "permits": (PermitLoop(database, signer, chain_id).step, 0.1),
        "vault changes": (StepLoop(database, signer, chain_id).step, 0.1),
        "vaults": (vault_examiner.step, examiner.PAUSE_SECONDS),
        "spending": (SpendingLoop(database, signer, chain_id).step, 0.1),
        "fees": (FeeLoop(database, node, chain_id).step, fee_levels.PAUSE_SECONDS),
        "simulation": (SimulationLoop(database, node, chain_id).step, 0.5),
        "platform": (platform.step, platform_check.PAUSE_SECONDS),
    }

"""The indexer process's parts, joined: nodes, fetchers, books and the sinks of the rooms above.

Several chains are followed side by side; one process leads a chain, others stand by. The sinks need
to know which relay key the platform was deployed for, so nothing is followed before `strongroom
deploy` has run once.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from strongroom.bootstrap.parts import part_name
from strongroom.config import ChainConfig, Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.db.leader import Leader
from strongroom.deposits.sink import DepositSink
from strongroom.indexer.balances import BalanceReader
from strongroom.indexer.booking import BlockBooks
from strongroom.indexer.fetch_thread import FetchThread
from strongroom.indexer.follower import Follower
from strongroom.indexer.hints import Hints
from strongroom.kit.clock import SystemClock
from strongroom.kit.errors import Unavailable
from strongroom.kit.health import HealthServer
from strongroom.kit.loops import Loop
from strongroom.relay.sink import RelaySink
from strongroom.vaults import service as vaults
from strongroom.vaults.sink import VaultSink
from strongroom.wallets import service as wallets
from strongroom.withdrawals.sink import WithdrawalSink
from strongroom.withdrawals.spending_sink import SpendingSink

CHAIN_CONNECTIONS: Final = 4


class IndexerStale(Unavailable):
    """The indexer is not following the chain now; the message says why."""

    code = "indexer.stale"


class LeaderLock:
    """The follower's Leadership over the database's advisory lock."""

    def __init__(self, leader: Leader) -> None:
        """`leader`: the candidate of this process."""
        self._leader = leader

    def epoch(self) -> int | None:
        """The epoch under which this process leads, or None."""
        return self._leader.epoch if self._leader.lead() else None


class ChainIndexer:
    """One chain's parts: followed in a thread of its own, so that no chain holds up another."""

    def __init__(self, chain: ChainConfig, database: Database, leader: Leader) -> None:
        """Starts the fetcher's thread; stop() ends it. Raises NodeUnavailable (no URL)."""
        self.chain = chain
        self._database = database
        self._leader = leader
        self.thread = FetchThread(
            chain.rpc_urls, agree=chain.rpc_agree, finality_depth=chain.finality_depth
        )
        self._hints = Hints(self.thread, chain.ws_urls, chain.chain_id)
        self._follower: Follower | None = None

    def step(self) -> bool:
        """One step of the follower; joins it first. Raises PlatformMissing before the deploy."""
        if self._follower is None:
            self._follower = self._join()
        return self._follower.step()

    def follow(self) -> bool:
        """A step, and where nothing is left to do, a wait for the next block."""
        if not self.step() and self._follower is not None:
            self._hints.wait(self._follower.head)
        return True

    def check_node(self) -> None:
        """A health check: raises when no node answers."""
        self.thread.read(self.thread.fetcher.latest())

    def check_following(self) -> None:
        """A health check: raises while the platform is missing or the chain is halted."""
        if self._follower is None:
            raise IndexerStale("Nothing is followed yet: run `strongroom deploy` once.")
        cursor = self._follower.cursor
        if cursor is not None and cursor.halted_reason is not None:
            raise IndexerStale(cursor.halted_reason)

    def stop(self) -> None:
        """End the threads, and let another process lead."""
        self._hints.stop()
        self.thread.stop()
        self._leader.resign()

    def _join(self) -> Follower:
        chain_id = self.chain.chain_id
        with self._database.read(None, system("indexer")) as uow:
            relay_key = vaults.platform(uow, chain_id).relay
            coin = wallets.native_asset(uow, chain_id)
        deposits = DepositSink(chain_id)
        books = BlockBooks(
            self._database,
            chain_id,
            confirmations=self.chain.confirmations,
            sinks=(
                RelaySink(chain_id, relay_key, coin),
                VaultSink(chain_id),
                WithdrawalSink(chain_id),
                SpendingSink(chain_id),
                deposits,
            ),
            seen_sinks=(deposits,),
        )
        return Follower(
            self._database,
            books,
            self.thread,
            LeaderLock(self._leader),
            BalanceReader(
                self._database,
                self.thread,
                chain_id=chain_id,
                native_asset=coin,
                sweep_seconds=self.chain.balance_sweep_seconds,
            ),
            chain_id=chain_id,
            start_height=self.chain.start_height,
        )


@dataclass(frozen=True)
class IndexerProcess:
    """What `strongroom indexer` runs."""

    database: Database
    chains: Sequence[ChainIndexer]
    health_port: int

    def run(self, stop: threading.Event) -> None:
        """Follow every chain until `stop` is set."""
        loops: list[Loop] = []
        checks: dict[str, Callable[[], None]] = {"database": self.database.ping}
        for one in self.chains:
            name = partial(part_name, chain_id=one.chain.chain_id, chains=self.chains)
            loops.append(Loop(name("indexer"), one.follow, 0, stop))
            checks[name("node")] = one.check_node
            checks[name("indexer")] = loops[-1].check
            checks[name("following")] = one.check_following
        health = HealthServer(checks, self.health_port)
        health.start()
        try:
            for thread in [loop.start() for loop in loops]:
                thread.join()
        finally:
            health.stop()
            for one in self.chains:
                one.stop()
            self.database.close()


def build(config: Config) -> IndexerProcess:
    """Join the parts. Raises ConfigurationInvalid, NodeUnavailable (no URL configured)."""
    url = config.require_database_url()
    database = Database(
        url,
        clock=SystemClock(),
        pool_size=CHAIN_CONNECTIONS * len(config.chains),
        application_name="strongroom-indexer",
    )
    chains = [
        ChainIndexer(chain, database, Leader(url, f"indexer:{chain.chain_id}"))
        for chain in config.chains
    ]
    return IndexerProcess(database, chains, config.health_port)

"""The indexer process's parts, joined: node, fetcher, books and the sinks of the rooms above.

One process leads a chain; others stand by. The sinks need to know which relay key the platform was
deployed for, so nothing is followed before `strongroom deploy` has run once.
"""

import threading
from dataclasses import dataclass, field
from typing import Final

from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.db.leader import Leader
from strongroom.deposits.sink import DepositSink
from strongroom.indexer.balances import BalanceReader
from strongroom.indexer.booking import BlockBooks
from strongroom.indexer.fetch_thread import FetchThread
from strongroom.indexer.follower import Follower
from strongroom.kit.clock import SystemClock
from strongroom.kit.errors import Unavailable
from strongroom.kit.health import HealthServer
from strongroom.kit.loops import Loop
from strongroom.relay.sink import RelaySink
from strongroom.vaults import service as vaults
from strongroom.vaults.sink import VaultSink
from strongroom.wallets.service import NATIVE_ASSET
from strongroom.withdrawals.sink import WithdrawalSink
from strongroom.withdrawals.spending_sink import SpendingSink

POOL_SIZE: Final = 4
IDLE_SECONDS: Final = 0.1
"""How often an idle indexer asks for the head."""


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


@dataclass
class IndexerProcess:
    """What `strongroom indexer` runs."""

    config: Config
    database: Database
    leader: Leader
    thread: FetchThread
    _follower: Follower | None = field(default=None, init=False)

    def run(self, stop: threading.Event) -> None:
        """Follow the chain until `stop` is set."""
        loop = Loop("indexer", self.step, IDLE_SECONDS, stop)
        checks = {
            "database": self.database.ping,
            "node": self.check_node,
            "indexer": loop.check,
            "following": self.check_following,
        }
        health = HealthServer(checks, self.config.health_port)
        health.start()
        try:
            loop.run()
        finally:
            health.stop()
            self.thread.stop()
            self.leader.resign()
            self.database.close()

    def step(self) -> bool:
        """One step of the follower; joins it first. Raises PlatformMissing before the deploy."""
        if self._follower is None:
            self._follower = self._join()
        return self._follower.step()

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

    def _join(self) -> Follower:
        chain_id = self.config.chain().chain_id
        with self.database.read(None, system("indexer")) as uow:
            relay_key = vaults.platform(uow, chain_id).relay
        deposits = DepositSink(chain_id)
        books = BlockBooks(
            self.database,
            chain_id,
            confirmations=self.config.chain().confirmations,
            sinks=(
                RelaySink(chain_id, relay_key),
                VaultSink(chain_id),
                WithdrawalSink(chain_id),
                SpendingSink(chain_id),
                deposits,
            ),
            seen_sinks=(deposits,),
        )
        return Follower(
            self.database,
            books,
            self.thread,
            LeaderLock(self.leader),
            BalanceReader(self.database, self.thread, chain_id=chain_id, native_asset=NATIVE_ASSET),
            chain_id=chain_id,
            start_height=self.config.chain().start_height,
        )


def build(config: Config) -> IndexerProcess:
    """Join the parts. Raises ConfigurationInvalid, NodeUnavailable (no URL configured)."""
    url, chain = config.require_database_url(), config.chain()
    database = Database(
        url, clock=SystemClock(), pool_size=POOL_SIZE, application_name="strongroom-indexer"
    )
    return IndexerProcess(
        config=config,
        database=database,
        leader=Leader(url, f"indexer:{chain.chain_id}"),
        thread=FetchThread(chain.rpc_urls, agree=chain.rpc_agree),
    )

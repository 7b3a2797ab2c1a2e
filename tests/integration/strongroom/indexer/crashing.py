"""A child process that indexes until a crash point kills it; its arguments say where it works."""

import sys

from strongroom.db.database import Database
from strongroom.deposits.sink import DepositSink
from strongroom.indexer.balances import BalanceReader
from strongroom.indexer.booking import BlockBooks
from strongroom.indexer.fetch_thread import FetchThread
from strongroom.indexer.follower import Follower
from strongroom.kit.clock import SystemClock


class Leads:
    """Leads under a given epoch."""

    def epoch(self) -> int | None:
        return 1


def main(url: str, node: str, chain_id: int) -> None:
    database = Database(url, clock=SystemClock(), pool_size=3, application_name="crashing")
    thread = FetchThread([node])
    sink = DepositSink(chain_id)
    books = BlockBooks(database, chain_id, confirmations=1, sinks=(sink,), seen_sinks=(sink,))
    reader = BalanceReader(database, thread, chain_id=chain_id, native_asset="ETH/18")
    follower = Follower(database, books, thread, Leads(), reader, chain_id=chain_id, start_height=0)
    for _ in range(200):
        if not follower.step():
            return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

"""One measurement of the indexer bench, in a process of its own: what it read, and what it cost."""

import argparse
import asyncio
import json
import logging
import resource
import time
from collections.abc import Callable

import aiohttp
import msgspec
import psycopg

from strongroom.chain.answers import LogAnswer
from strongroom.db.database import Database
from strongroom.deposits.sink import DepositSink
from strongroom.indexer.balances import BalanceReader
from strongroom.indexer.booking import BlockBooks
from strongroom.indexer.fetch_thread import FetchThread
from strongroom.indexer.follower import Follower
from strongroom.indexer.hints import Hints
from strongroom.indexer.matching import TRANSFER_TOPIC
from strongroom.kit import log
from strongroom.kit.clock import SystemClock
from strongroom.relay.sink import RelaySink
from strongroom.vaults.sink import VaultSink
from strongroom.withdrawals.sink import WithdrawalSink
from strongroom.withdrawals.spending_sink import SpendingSink

CHAIN_ID = 31337
COIN = "ETH/18"
POOLED = 4
SPAN = 50
TOPIC = "0x" + TRANSFER_TOPIC.hex()
INSERT = "INSERT INTO peer_transfer VALUES (%s, %s, %s, %s, %s, %s)"


class Leads:
    """The bench runs one indexer."""

    def epoch(self) -> int | None:
        """Always the first."""
        return 1


class Single(msgspec.Struct):
    """The one answer that the bare reader decodes."""

    result: list[LogAnswer]


def bare(options: argparse.Namespace) -> dict[str, object]:
    """`eth_getLogs` over four pooled connections, decoded and counted, and nothing else."""
    decoder = msgspec.json.Decoder(Single)

    async def read() -> int:
        found, starts = 0, list(range(options.first, options.last + 1, SPAN))
        async with aiohttp.ClientSession() as session:

            async def reader() -> None:
                nonlocal found
                while starts:
                    first = starts.pop(0)
                    body = msgspec.json.encode(query(first, min(first + SPAN - 1, options.last)))
                    headers = {"content-type": "application/json"}
                    async with session.post(options.node, data=body, headers=headers) as answer:
                        logs = decoder.decode(await answer.read()).result
                    found += len(logs)

            await asyncio.gather(*(reader() for _ in range(POOLED)))
        return found

    begun, cpu = time.perf_counter(), time.process_time()
    logs = asyncio.run(read())
    return cost(logs, begun, cpu)


def query(first: int, last: int) -> dict[str, object]:
    """The bare question."""
    asked = {"fromBlock": hex(first), "toBlock": hex(last), "topics": [TOPIC]}
    return {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [asked]}


def follow(options: argparse.Namespace, *, traces: bool) -> dict[str, object]:
    """The follower as its process joins it, from the block before `first` until `last` is done."""
    follower, stop = joined(options, traces=traces)
    begun = time.perf_counter()
    while follower.cursor is None:
        follower.step()
    loaded = time.perf_counter() - begun
    begun, cpu = time.perf_counter(), time.process_time()
    while not done(follower, options):
        follower.step()
    found = cost(options.logs, begun, cpu)
    stop()
    return {**found, "load_seconds": round(loaded, 2), "watched": len(follower._watched)}  # noqa: SLF001 - what it holds in memory


def done(follower: Follower, options: argparse.Namespace) -> bool:
    """Everything up to `last` is booked; and final, where the node calls it so."""
    cursor = follower.cursor
    if cursor is None or cursor.confirmed_height < options.last:
        return False
    return not options.final or cursor.finalized_height >= options.last


def joined(
    options: argparse.Namespace, *, traces: bool = True
) -> tuple[Follower, Callable[[], None]]:
    """The follower with every sink; how to end it."""
    database = Database(
        options.database, clock=SystemClock(), pool_size=4, application_name="bench"
    )
    thread = FetchThread([options.node], traces=traces)
    deposits = DepositSink(CHAIN_ID)
    books = BlockBooks(
        database,
        CHAIN_ID,
        confirmations=1,
        sinks=(
            RelaySink(CHAIN_ID, bytes([0xAE]) * 20, COIN),
            VaultSink(CHAIN_ID),
            WithdrawalSink(CHAIN_ID),
            SpendingSink(CHAIN_ID),
            deposits,
        ),
        seen_sinks=(deposits,),
    )
    follower = Follower(
        database,
        books,
        thread,
        Leads(),
        BalanceReader(database, thread, chain_id=CHAIN_ID, native_asset=COIN),
        chain_id=CHAIN_ID,
        start_height=options.first - 1,
    )

    def stop() -> None:
        thread.stop()
        database.close()

    return follower, stop


def tokens(options: argparse.Namespace) -> dict[str, object]:
    """Tokens alone."""
    return follow(options, traces=False)


def native(options: argparse.Namespace) -> dict[str, object]:
    """As the process runs: the chain's own coin, too, from the traces of every block."""
    return follow(options, traces=True)


def web3(options: argparse.Namespace) -> dict[str, object]:
    """A reader as one writes it with web3.py: get_logs, process_log, a set, executemany."""
    from web3 import HTTPProvider, Web3  # noqa: PLC0415 - slow to import, for this way alone

    node = Web3(HTTPProvider(options.node))
    event = node.eth.contract(abi=[ERC20_TRANSFER]).events.Transfer()
    with psycopg.connect(options.database.replace("+psycopg", ""), autocommit=True) as connection:
        ours = {row[0] for row in connection.execute("SELECT address FROM watched_address")}
        connection.execute(
            "CREATE TEMP TABLE peer_transfer (height bigint, tx_hash bytea, position int,"
            " sender bytea, recipient bytea, units numeric)"
        )
        begun, cpu, logs = time.perf_counter(), time.process_time(), 0
        for first in range(options.first, options.last + 1, SPAN):
            last = min(first + SPAN - 1, options.last)
            rows = []
            for log in node.eth.get_logs({"fromBlock": first, "toBlock": last, "topics": [TOPIC]}):
                logs += 1
                found = event.process_log(log)
                sender = bytes.fromhex(found.args["from"][2:])
                recipient = bytes.fromhex(found.args["to"][2:])
                if sender in ours or recipient in ours:
                    rows.append(
                        (found.blockNumber, bytes(found.transactionHash), found.logIndex,
                         sender, recipient, found.args["value"])
                    )  # fmt: skip
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(INSERT, rows)
    return cost(logs, begun, cpu)


def live(options: argparse.Namespace) -> dict[str, object]:
    """Blocks as they come, heads by websocket, until `last`: when each was booked, and how long
    that took from the moment the follower knew of it.
    """
    follower, stop = joined(options)
    thread = follower._thread  # noqa: SLF001 - the process gives both the same one
    hints = Hints(thread, [options.node.replace("http", "ws", 1)], CHAIN_ID)
    booked: dict[int, tuple[float, float]] = {}
    height, told = 0, False
    woken = time.time()
    while height < options.last:
        if not follower.step():
            if not told:
                print("ready", flush=True)
                told = True
            hints.wait(follower.head)
            woken = time.time()
        now = follower.cursor.confirmed_height if follower.cursor is not None else 0
        for seen in range(height + 1, now + 1):
            booked[seen] = (time.time(), (time.time() - woken) * 1e3)
        height = max(height, now)
    hints.stop()
    stop()
    return {"booked": booked, "rss_mb": rss_mb()}


def cost(logs: int, begun: float, cpu: float) -> dict[str, object]:
    """Logs a second, own CPU and memory at the peak."""
    seconds, used = time.perf_counter() - begun, time.process_time() - cpu
    return {
        "logs": logs,
        "rate": logs / seconds,
        "cpu_us_per_log": round(used * 1e6 / logs, 3),
        "rss_mb": rss_mb(),
    }


def rss_mb() -> float:
    """The most this process ever held."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


ERC20_TRANSFER = {
    "type": "event",
    "name": "Transfer",
    "anonymous": False,
    "inputs": [
        {"name": "from", "type": "address", "indexed": True},
        {"name": "to", "type": "address", "indexed": True},
        {"name": "value", "type": "uint256", "indexed": False},
    ],
}
WAYS = {"bare": bare, "tokens": tokens, "native": native, "web3": web3, "live": live}


def main() -> int:
    """Measure one way; the last line of standard output is what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=sorted(WAYS))
    parser.add_argument("--node", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--last", type=int, required=True)
    parser.add_argument("--logs", type=int, default=0)
    parser.add_argument("--final", action="store_true")
    options = parser.parse_args()
    log.configure("bench", level=logging.WARNING)
    print(json.dumps(WAYS[options.way](options)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

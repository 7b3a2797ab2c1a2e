"""Balances a second read at final blocks and compared with the books, beside the bare eth_call."""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import psycopg

from benches.report import ROOT, in_turns, report
from strongroom.auditlog import service as auditlog
from strongroom.chain.balances import CHUNK_MAX, ORACLE, Held, code_asking
from strongroom.chain.rpc import Call, encode
from strongroom.cli.dev.anvil import CHAIN_ID, anvil_program, node_url
from strongroom.cli.dev.postgres import EmbeddedPostgres
from strongroom.cli.dev.probes import call
from strongroom.cli.dev.program import running
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.db.migrate import migrate
from strongroom.indexer.balances import BalanceReader
from strongroom.indexer.booking import BlockBooks
from strongroom.indexer.fetch_thread import FetchThread
from strongroom.indexer.follower import Follower
from strongroom.kit.clock import SystemClock
from strongroom.ledger import invariants, service
from strongroom.ledger.types import AccountRef, ChainPoint, Leg, Posting
from strongroom.wallets.rules import custody_code
from strongroom_protocol.hashing import keccak256
from tests.factories.parts.place import free_port

COIN = "ETH/18"
NAME = "strongroom"
FUNDED = 1_000
UNITS = 7
ACTOR = system("bench")
CLOCK = SystemClock()
STEPS_MAX = 100_000


class Leads:
    """One indexer alone."""

    def epoch(self) -> int:
        """Always the same."""
        return 1


@dataclass(frozen=True)
class Stage:
    """A server, a node, and the addresses that are watched."""

    server: EmbeddedPostgres
    port: int
    addresses: Sequence[bytes]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What the database says, past row-level security."""
        with psycopg.connect(self.server.conninfo(database=NAME)) as connection:
            return connection.execute(query.encode()).fetchall()


def prepare(stage: Stage) -> None:
    """All addresses are watched; a thousand of them hold the same on chain and in the books."""
    migrate(stage.server.url(database=NAME))
    organisation = uuid4()
    with psycopg.connect(stage.server.conninfo(database=NAME), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO organisation (id, ref, name, chain_id, genesis, created_at)"
            " VALUES (%s, %s, 'Bench', %s, '{}', now())",
            (organisation, organisation.bytes * 2, CHAIN_ID),
        )
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "COPY watched_address (organisation_id, id, chain_id, address, kind, custody_code,"
                " active_height, created_at) FROM STDIN"
            ) as copy,
        ):
            now = CLOCK.now()
            for address in stage.addresses:
                code = custody_code(CHAIN_ID, address)
                copy.write_row((organisation, uuid4(), CHAIN_ID, address, "deposit", code, 0, now))
        fund(stage, organisation)
        connection.execute("VACUUM ANALYZE")
    call(stage.port, "anvil_mine", hex(4))


def fund(stage: Stage, organisation: UUID) -> None:
    """Set what the chain says, and book the same."""
    url = stage.server.url("strongroom_indexer", NAME)
    database = Database(url, clock=CLOCK, application_name="bench")
    funded = stage.addresses[:: len(stage.addresses) // FUNDED]
    codes = [custody_code(CHAIN_ID, address) for address in funded]
    for address in funded:
        call(stage.port, "anvil_setBalance", "0x" + address.hex(), hex(UNITS))
    with database.unit(organisation, ACTOR) as uow:
        names = [*codes, "suspense:unscreened"]
        service.open_accounts(uow, [AccountRef(organisation, name, COIN) for name in names])
        at = ChainPoint(CHAIN_ID, 0, bytes(32))
        postings = [
            Posting(
                organisation,
                f"bench:{code}",
                "bench.fund",
                (Leg(code, "suspense:unscreened", COIN, UNITS),),
                chain=at,
            )
            for code in codes
        ]
        auditlog.append(uow, "bench.funded", "bench", {}, rows=service.rows(postings))
        service.post(uow, postings)
    database.close()


class Indexer:
    """The follower with its oracle, as the process joins them; its sweep has no pause."""

    def __init__(self, stage: Stage) -> None:
        """Starts the fetcher's thread."""
        self._stage = stage
        url = stage.server.url("strongroom_indexer", NAME)
        self.database = Database(url, clock=CLOCK, pool_size=4, application_name="bench")
        self.thread = FetchThread([node_url(stage.port)])
        self.reader = BalanceReader(
            self.database, self.thread, chain_id=CHAIN_ID, native_asset=COIN, sweep_seconds=0
        )
        books = BlockBooks(self.database, CHAIN_ID, confirmations=1, sinks=())
        self.follower = Follower(
            self.database,
            books,
            self.thread,
            Leads(),
            self.reader,
            chain_id=CHAIN_ID,
            start_height=0,
        )

    def a_round(self) -> float:
        """Addresses a second of the next whole round, as the idle follower reads them."""
        wanted = 1 if self.reader.sweep is None else self.reader.sweep.round + 1
        begun = time.perf_counter()
        for _ in range(STEPS_MAX):
            self.follower.step()
            found = self.reader.sweep
            if found is not None and found.round == wanted and found.ended_at is not None:
                return len(self._stage.addresses) / (time.perf_counter() - begun)
        raise SystemExit("oracle: the sweep came to no end")

    def stop(self) -> None:
        """End the thread and the connections."""
        self.thread.stop()
        self.database.close()


def bare(stage: Stage) -> Callable[[], float]:
    """The same calls as bytes, four at a time over one pool; the answers are not looked at."""
    block = str(call(stage.port, "eth_getBlockByNumber", "finalized", False)["hash"])  # type: ignore[index]
    named = {"blockHash": block, "requireCanonical": True}
    bodies = []
    for start in range(0, len(stage.addresses), CHUNK_MAX):
        held: list[Held] = [(one, None) for one in stage.addresses[start : start + CHUNK_MAX]]
        code = {ORACLE: {"code": code_asking(held)}}
        bodies.append(
            encode([Call("eth_call", ({"to": ORACLE, "gas": hex(50_000_000)}, named, code))])
        )

    async def all_of_them() -> None:
        headers = {"content-type": "application/json"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for body in bodies:
                async with session.post(node_url(stage.port), data=body) as answer:
                    await answer.read()

    def measure() -> float:
        begun = time.perf_counter()
        asyncio.run(all_of_them())
        return len(stage.addresses) / (time.perf_counter() - begun)

    return measure


def assert_invariants(stage: Stage, indexer: Indexer) -> None:
    """Every address was read each round, all equal; one wei too much is found in the next round."""
    found = stage.rows("SELECT count(*) FROM chain_balance")[0][0]
    (swept,) = stage.rows("SELECT swept FROM chain_sweep WHERE ended_at IS NOT NULL")[0]
    if found or swept != len(stage.addresses):
        raise SystemExit(f"oracle: {found} differences, {swept} addresses in the last round")
    call(stage.port, "anvil_setBalance", "0x" + stage.addresses[-1].hex(), hex(1))
    call(stage.port, "anvil_mine", hex(4))
    indexer.a_round()
    indexer.a_round()
    (one,) = stage.rows("SELECT equal_height, differs_height FROM chain_difference")
    worker = Database(
        stage.server.url("strongroom_worker", NAME), clock=CLOCK, application_name="bench"
    )
    with worker.read(None, ACTOR) as uow:
        broken = invariants.broken(uow)
    worker.close()
    if broken or one[0] is None:
        raise SystemExit(f"oracle: {broken}; the difference began between {one}")


def main() -> int:
    """Start a server and a node of our own, measure in turns, assert, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare here")
    parser.add_argument("--addresses", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    if options.prepare:
        return 0
    addresses = sorted(keccak256(n.to_bytes(8, "big"))[12:] for n in range(options.addresses))
    with tempfile.TemporaryDirectory(prefix="sr-bench-", dir="/tmp") as text:
        folder, port = Path(text), free_port()
        server = EmbeddedPostgres(folder / "data", folder / "log")
        server.prepare()
        node = anvil_program(ROOT, folder / "anvil.log", port, block_seconds=None)
        with running(server.program()), running(node):
            stage = Stage(server, port, addresses)
            prepare(stage)
            return bench(stage, options.turns)


def bench(stage: Stage, turns: int) -> int:
    """A round beside the bare calls, in turns; the first round, which loads all, is apart."""
    indexer = Indexer(stage)
    try:
        first = indexer.a_round()
        pairs = in_turns(indexer.a_round, bare(stage), turns=turns)
        assert_invariants(stage, indexer)
    finally:
        indexer.stop()
    with psycopg.connect(stage.server.conninfo()) as asked:
        version = asked.info.parameter_status("server_version")
    more = {
        "addresses": len(stage.addresses),
        "first_round_per_s": round(first),
        "round_seconds": round(
            len(stage.addresses) / statistics.median(pair.ours for pair in pairs), 2
        ),
    }
    report(
        "oracle",
        "native balances at a final block, compared with the books, the round kept",
        "addresses/s",
        pairs,
        raw_limit_is="the same eth_call with a code override, bytes in and bytes out",
        more=more,
        postgres=version,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

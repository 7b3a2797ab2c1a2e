"""Token transfers a second into PostgreSQL with a million watched, beside bare eth_getLogs."""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from benches import indexer_chain as chain
from benches.indexer_chain import ChainFile, Node, Payers
from benches.report import ROOT, Pair, report
from strongroom.cli.dev.postgres import EmbeddedPostgres
from strongroom.cli.dev.program import running
from strongroom.db.actor import Actor
from strongroom.db.database import Database
from strongroom.db.migrate import migrate
from strongroom.kit.clock import SystemClock
from strongroom.ledger import invariants

CHAIN_ID = 31337
ASSET = "TUSD/6"
LIVE_TOUCHED_EVERY = 3
ACTOR = Actor("system", "bench", 1)


@dataclass(frozen=True)
class Stage:
    """A server with one prepared database, and the chain in a file."""

    server: EmbeddedPostgres
    file: ChainFile

    @contextmanager
    def database(self) -> Iterator[str]:
        """A copy of the prepared database for one measurement; gives its name."""
        name = f"run_{uuid4().hex}"
        self._as_superuser(f"CREATE DATABASE {name} TEMPLATE prepared")
        yield name
        self._as_superuser(f"DROP DATABASE {name}")

    def _as_superuser(self, sql: str) -> None:
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            connection.execute(sql.encode())

    def words(self, way: str, node: Node, database: str, *more: str) -> list[str]:
        """The command of one measurement."""
        url = self.server.url("strongroom_indexer", database)
        return [
            sys.executable, "-m", "benches.indexer_ways", way, "--node", node.url, "--database",
            url, "--first", str(self.file.first), "--logs", str(self.file.logs), *more,
        ]  # fmt: skip

    def measure(self, way: str, node: Node, *more: str) -> dict[str, Any]:
        """Run one way over the whole range; what it found. The books must be sound after it."""
        with self.database() as name:
            words = self.words(way, node, name, "--last", str(self.file.last), *more)
            done = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
            if way in ("tokens", "native"):
                assert_booked(self, name)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        print(f"{way}: {found}", file=sys.stderr)
        return found


def prepare(server: EmbeddedPostgres, file: ChainFile, watched: int) -> None:
    """A migrated database with one organisation, its token, and a million addresses."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE prepared")
    migrate(server.url(database="prepared"))
    organisation = uuid4()
    with psycopg.connect(server.conninfo(database="prepared"), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO organisation (id, ref, name, chain_id, genesis, created_at)"
            " VALUES (%s, %s, 'Bench', %s, '{}', now())",
            (organisation, organisation.bytes * 2, CHAIN_ID),
        )
        connection.execute(
            "INSERT INTO watched_token (organisation_id, id, chain_id, contract, asset, created_at)"
            " VALUES (%s, gen_random_uuid(), %s, %s, %s, now())",
            (organisation, CHAIN_ID, file.token, ASSET),
        )
        add_addresses(connection, organisation, watched)
        connection.execute("VACUUM ANALYZE")


def add_addresses(connection: psycopg.Connection[Any], organisation: UUID, watched: int) -> None:
    """All of them (chain.watched_address) taken up before the first block."""
    connection.execute(
        "INSERT INTO watched_address (organisation_id, id, chain_id, address, kind, custody_code,"
        " active_height, created_at)"
        " SELECT %(org)s, gen_random_uuid(), %(chain)s, a.address, 'deposit',"
        " 'custody:' || %(chain)s || ':0x' || encode(a.address, 'hex'), 0, now()"
        " FROM (SELECT substr(sha256(convert_to(%(seed)s || ':' || n, 'UTF8')), 1, 20) AS address"
        "       FROM generate_series(0, %(last)s) AS n) AS a",
        {"org": organisation, "chain": CHAIN_ID, "seed": str(chain.SEED), "last": watched - 1},
    )


def assert_booked(stage: Stage, database: str) -> None:
    """Each payment to us is one deposit and one posting, and the books are sound."""
    expected = sum(
        height % chain.TOUCHED_EVERY == 0 for height in range(stage.file.first, stage.file.last + 1)
    )
    with psycopg.connect(stage.server.conninfo(database=database)) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM chain_transfer), (SELECT count(*) FROM deposit),"
            " (SELECT count(*) FROM ledger_transaction)"
        ).fetchone()
    if found != (expected * chain.OURS,) * 3:
        raise SystemExit(f"indexer: {found} transfers, deposits, postings; {expected} blocks")
    worker = Database(
        stage.server.url("strongroom_worker", database),
        clock=SystemClock(),
        pool_size=1,
        application_name="bench",
    )
    with worker.read(None, ACTOR) as uow:
        broken = invariants.broken(uow)
    worker.close()
    if broken:
        raise SystemExit("indexer: the invariants do not hold: " + " ".join(broken))


def turns(stage: Stage, node: Node, way: str, count: int, *more: str) -> tuple[list[Pair], Any]:
    """Ours and the bare reader in turns over the same range; the last of ours in full."""
    pairs, found = [], {}
    for turn in range(count):
        if turn % 2:
            raw = stage.measure("bare", node)
            found = stage.measure(way, node, *more)
        else:
            found = stage.measure(way, node, *more)
            raw = stage.measure("bare", node)
        pairs.append(Pair(found["rate"], raw["rate"]))
    return pairs, found


def ratio(pairs: list[Pair]) -> float:
    """The median of the pairs' ratios."""
    return round(statistics.median(pair.ratio for pair in pairs), 4)


def live(stage: Stage, node: Node, watched: int, blocks: int) -> dict[str, float]:
    """One block a second, a third of them touched: mined to booked, and known to booked."""
    at = int(node.rpc("eth_blockNumber"), 16)
    mined: dict[int, float] = {}
    payers, chance = Payers(node, "0x" + stage.file.token.hex()), random.Random(chain.SEED)
    with stage.database() as name:
        words = stage.words("live", node, name, "--last", str(at + blocks))
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as follower:
            if follower.stdout is None or follower.stdout.readline().strip() != "ready":
                raise SystemExit("indexer: the follower at the head did not come up")
            for height in range(at + 1, at + blocks + 1):
                begun = time.monotonic()
                units = [chance.randrange(1, 10**6) for _ in range(chain.TRANSFERS)]
                every = LIVE_TOUCHED_EVERY
                payers.block(chain.recipients(height, watched, chance, every=every), units)
                mined[height] = time.time()
                time.sleep(max(0.0, 1 - (time.monotonic() - begun)))
            found = json.loads(follower.communicate(timeout=30)[0].splitlines()[-1])
    booked = {int(height): tuple(times) for height, times in found["booked"].items()}
    late = [max(0.0, booked[height][0] - mined[height]) * 1e3 for height in mined]
    touched = [booked[height][1] for height in mined if height % LIVE_TOUCHED_EVERY == 0]
    others = [booked[height][1] for height in mined if height % LIVE_TOUCHED_EVERY]
    return {
        "head_block_ms": round(statistics.median(others), 2),
        "head_touched_block_ms": round(statistics.median(touched), 2),
        "head_p50_ms": round(statistics.median(late), 2),
        "head_p95_ms": round(statistics.quantiles(late, n=20)[18], 2),
        "head_rss_mb": found["rss_mb"],
    }


def main() -> int:
    """Make what is missing, measure each way in turns, assert, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepare", action="store_true", help="make the chain, and end")
    parser.add_argument("--blocks", type=int, default=3_000)
    parser.add_argument("--watched", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3, help="of tokens; two of native and head")
    parser.add_argument("--live", type=int, default=20, help="blocks at one a second")
    options = parser.parse_args()
    file = chain.prepare(options.blocks, options.watched)
    if options.prepare:
        return 0
    with tempfile.TemporaryDirectory(prefix="sr-bench-", dir="/tmp") as folder:
        server = EmbeddedPostgres(Path(folder) / "data", Path(folder) / "log")
        server.prepare()
        with running(server.program()):
            prepare(server, file, options.watched)
            return bench(Stage(server, file), Path(folder), options)


def bench(stage: Stage, folder: Path, options: argparse.Namespace) -> int:
    """Backfill from a node that calls all of it final, then the head from one that calls none."""
    with chain.node(folder / "final.log", state=stage.file.state) as node:
        tokens, mine = turns(stage, node, "tokens", options.turns, "--final")
        native, whole = turns(stage, node, "native", 2, "--final")
        fifth = stage.file.first + (stage.file.last - stage.file.first) // 5
        peer = stage.measure("web3", node, "--last", str(fifth))
        at_head = live(stage, node, options.watched, options.live)
    epoch = stage.file.last // 2  # two of them are not final: all but the first few blocks
    with chain.node(folder / "head.log", state=stage.file.state, epoch=epoch) as node:
        head, _ = turns(stage, node, "tokens", 2)
        head_native, _ = turns(stage, node, "native", 2)
    with psycopg.connect(stage.server.conninfo()) as asked:
        version = asked.info.parameter_status("server_version")
    rate = statistics.median(pair.ours for pair in tokens)
    report(
        "indexer",
        f"backfill of tokens, {options.watched:,} watched, every sink, trigger and record",
        "transfers/s",
        tokens,
        raw_limit_is="eth_getLogs over four pooled connections, decoded, of the same range",
        more={
            "native_ratio": ratio(native),
            "head_ratio": ratio(head),
            "head_native_ratio": ratio(head_native),
            **at_head,
            "cpu_us_per_log": mine["cpu_us_per_log"],
            "native_cpu_us_per_log": whole["cpu_us_per_log"],
            "rss_mb": max(mine["rss_mb"], whole["rss_mb"], at_head["head_rss_mb"]),
            "load_seconds": mine["load_seconds"],
            "peer": {"web3": round(peer["rate"]), "times": round(rate / peer["rate"], 1)},
            "seed": chain.SEED,
        },
        postgres=version,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

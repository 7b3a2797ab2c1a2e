"""Transfers a second through the ledger's door, beside pgbench on the same PostgreSQL, in turns."""

import argparse
import asyncio
import hashlib
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import psycopg

from benches.report import Pair, report
from strongroom.auditlog import record as records
from strongroom.auditlog import service as auditlog
from strongroom.auditlog import verification
from strongroom.auditlog.sequencer import Sequencer
from strongroom.cli.dev.postgres import EmbeddedPostgres, postgres_programs
from strongroom.cli.dev.program import running
from strongroom.db import idempotency, outbox
from strongroom.db.actor import Actor
from strongroom.db.database import Database
from strongroom.db.migrate import migrate
from strongroom.kit.clock import SystemClock
from strongroom.kit.ids import new_id
from strongroom.kit.loops import Loop
from strongroom.ledger import invariants, rules, service
from strongroom.ledger.commands import PostingCommand
from strongroom.ledger.folding import Folder
from strongroom.ledger.types import AccountRef, Leg, Posting
from strongroom.ledger.writer import PostingWriter

ACCOUNTS = 1_000
EUR = "EUR/2"
BANK = "fiat:bank:main"
FUNDS = 10**12
BULK = 500
CALLERS = 64
CLIENTS = 4
SEED = 20_261_122
ACTOR = Actor("credential", "bench", 1)
CLOCK = SystemClock()
TENANT = "SELECT set_config('strongroom.org', %s, true)"
LOG = "INSERT INTO log_pending (organisation_id, record, record_hash, rows) VALUES (%s, %s, %s, %s)"
WAYS = ("single", "unit", "group", "hot", "bulk")


@dataclass(frozen=True)
class Stage:
    """What a client process needs to know."""

    url: str
    organisation: UUID
    seconds: float

    def database(self, pool_size: int = 2) -> Database:
        """As the API process has it."""
        return Database(self.url, clock=CLOCK, pool_size=pool_size, application_name="bench")


def transfers(stage: Stage, chance: random.Random, *, hot: bool = False) -> Callable[[], Posting]:
    """Make transfers between two of the accounts; `hot`: always out of the first."""

    def transfer() -> Posting:
        giver = 0 if hot else chance.randrange(ACCOUNTS)
        taker = (giver + chance.randrange(1, ACCOUNTS)) % ACCOUNTS
        leg = Leg(f"client:{giver}", f"client:{taker}", EUR, chance.randrange(1, 100))
        return Posting(stage.organisation, f"transfer:{uuid4().hex}", "bench.transfer", (leg,))

    return transfer


def single(stage: Stage, number: int) -> int:
    """One call of ledger_post a commit with its tenant setting and audit record, in one trip."""
    make = transfers(stage, random.Random(SEED + number))
    url = stage.url.replace("postgresql+psycopg:", "postgresql:", 1)
    done = 0
    with psycopg.connect(url, autocommit=True) as connection:
        end = time.perf_counter() + stage.seconds
        while time.perf_counter() < end:
            posting, id_, now = make(), new_id(CLOCK), CLOCK.now()
            kept, rows_root = records.encode_rows([rules.row(posting)])
            record = records.encode(
                organisation_id=stage.organisation,
                actor=ACTOR,
                request_id=posting.key,
                at=now,
                action="payment.booked",
                subject=posting.key,
                body={},
                rows_root=rows_root,
            )
            logged = (stage.organisation, record, hashlib.sha256(record).digest(), kept)
            with connection.pipeline(), connection.transaction():
                connection.execute(TENANT, (str(stage.organisation),))
                connection.execute(LOG, logged)
                found = connection.execute(service.POST, service.arguments(now, [posting], [id_]))
            done += found.fetchall()[0][1] == "posted"
    return done


def unit(stage: Stage, number: int) -> int:
    """A whole unit of work: key, audit record, message, posting, stored answer."""
    make = transfers(stage, random.Random(SEED + number))
    database, done = stage.database(), 0
    end = time.perf_counter() + stage.seconds
    while time.perf_counter() < end:
        posting = make()
        with database.unit(stage.organisation, ACTOR, request_id=posting.key) as uow:
            idempotency.begin(uow, posting.key, b"\0" * 32)
            auditlog.append(uow, "payment.booked", posting.key, {}, rows=service.rows([posting]))
            outbox.enqueue(uow, "webhooks.send", posting.key, {"key": posting.key})
            idempotency.finish(uow, posting.key, 201, '{"state":"posted"}')
            service.post_or_raise(uow, posting)
        done += 1
    database.close()
    return done


def bulk(stage: Stage, number: int) -> int:
    """500 transfers a commit, one audit record that commits to them by their root."""
    make = transfers(stage, random.Random(SEED + number))
    database, done = stage.database(), 0
    end = time.perf_counter() + stage.seconds
    while time.perf_counter() < end:
        batch = [make() for _ in range(BULK)]
        with database.unit(stage.organisation, ACTOR) as uow:
            auditlog.append(uow, "bulk.booked", batch[0].key, {}, rows=service.rows(batch))
            results = service.post(uow, batch)
        done += sum(result.outcome == "posted" for result in results)
    database.close()
    return done


def group(stage: Stage, *, hot: bool = False) -> tuple[float, float]:
    """64 callers, each awaiting its own transfer as a route does; (a second, p99 in ms)."""
    database = stage.database(4)
    writer = PostingWriter(database)
    writer.start()
    took: list[float] = []

    async def caller(number: int, end: float) -> None:
        make = transfers(stage, random.Random(SEED + number), hot=hot)
        while (begun := time.perf_counter()) < end:
            posting = make()
            command = PostingCommand(
                posting=posting,
                actor=ACTOR,
                request_id=posting.key,
                idempotency_key=posting.key,
                body_hash=b"\0" * 32,
                status=201,
                answer={"state": "posted"},
                action="payment.booked",
            )
            await asyncio.wrap_future(writer.submit(command))
            took.append(time.perf_counter() - begun)

    async def callers() -> None:
        end = time.perf_counter() + stage.seconds
        await asyncio.gather(*(caller(number, end) for number in range(CALLERS)))

    begun = time.perf_counter()
    asyncio.run(callers())
    elapsed = time.perf_counter() - begun
    writer.stop()
    database.close()
    return len(took) / elapsed, statistics.quantiles(took, n=100)[98] * 1e3


def balance_at_p95_ms(stage: Stage, reads: int = 400) -> float:
    """Milliseconds of a balance at a past moment of any account, the busiest included."""
    chance, took = random.Random(SEED), []
    database = stage.database()
    with database.read(stage.organisation, ACTOR) as uow:
        first, last = uow.execute(
            "SELECT min(booked_at), max(booked_at) FROM ledger_transaction"
        ).fetchone() or (CLOCK.now(), CLOCK.now())
        for read in range(reads):
            number = 0 if read % 2 else chance.randrange(ACCOUNTS)
            moment = first + (last - first) * chance.random()
            ref = AccountRef(stage.organisation, f"client:{number}", EUR)
            begun = time.perf_counter()
            service.balance_at(uow, ref, moment)
            took.append((time.perf_counter() - begun) * 1e3)
    database.close()
    return statistics.quantiles(took, n=20)[18]


def by_clients(work: Callable[[Stage, int], int], stage: Stage, clients: int) -> float:
    """Transfers a second of so many client processes together."""
    with multiprocessing.get_context("fork").Pool(clients) as pool:
        return sum(pool.starmap(work, [(stage, n) for n in range(clients)])) / stage.seconds


def prepare(server: EmbeddedPostgres) -> UUID:
    """A migrated database with one organisation, 1,000 funded accounts, and pgbench's tables."""
    migrate(server.url(database="strongroom"))
    organisation = uuid4()
    with psycopg.connect(server.conninfo(database="strongroom"), autocommit=True) as superuser:
        superuser.execute("CREATE DATABASE pgbench")
        superuser.execute(
            "INSERT INTO organisation (id, ref, name, chain_id, genesis, created_at)"
            " VALUES (%s, %s, 'Bench', 1, '{}', now())",
            (organisation, organisation.bytes * 2),
        )
    pgbench(server, "-i", "-s", "10", "-q")
    database = Database(
        server.url("strongroom_api", "strongroom"), clock=CLOCK, application_name="bench"
    )
    codes = [f"client:{number}" for number in range(ACCOUNTS)]
    with database.unit(organisation, ACTOR) as uow:
        service.open_accounts(uow, [AccountRef(organisation, code, EUR) for code in [BANK, *codes]])
        funding = [
            Posting(organisation, f"fiat:{code}", "bench.fund", (Leg(BANK, code, EUR, FUNDS),))
            for code in codes
        ]
        auditlog.append(uow, "bench.funded", "bench", {}, rows=service.rows(funding))
        service.post(uow, funding)
    database.close()
    analyse(server)
    return organisation


def analyse(server: EmbeddedPostgres) -> None:
    """As pgbench does for its own tables, and autovacuum for everybody's within a minute."""
    with psycopg.connect(server.conninfo(database="strongroom"), autocommit=True) as superuser:
        superuser.execute("VACUUM ANALYZE")


def pgbench(server: EmbeddedPostgres, *words: str) -> str:
    """Run pgbench on its own database; gives what it printed."""
    command = [str(postgres_programs() / "pgbench"), "-h", str(server.socket_folder)]
    done = subprocess.run(
        [*command, "-U", "postgres", *words, "pgbench"],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def pgbench_rate(server: EmbeddedPostgres, seconds: float, clients: int = CLIENTS) -> float:
    """TPC-B transactions a second, prepared, two threads."""
    words = ("-n", "-M", "prepared", "-j", "2", "-c", str(clients), "-T", str(round(seconds)))
    (line,) = [one for one in pgbench(server, *words).splitlines() if one.startswith("tps")]
    return float(line.split()[2])


def measure(server: EmbeddedPostgres, stage: Stage, turns: int) -> dict[str, object]:
    """All ways in turns, each beside its own pgbench run."""
    pairs: dict[str, list[Pair]] = {way: [] for way in WAYS}
    p99: list[float] = []

    def grouped(*, hot: bool) -> float:
        rate, slowest = group(stage, hot=hot)
        if not hot:
            p99.append(slowest)
        return rate

    ways: dict[str, Callable[[], float]] = {
        "single": lambda: by_clients(single, stage, CLIENTS),
        "unit": lambda: by_clients(unit, stage, CLIENTS),
        "group": lambda: grouped(hot=False),
        "hot": lambda: grouped(hot=True),
        "bulk": lambda: by_clients(bulk, stage, 2),
    }
    for turn in range(turns):
        for way, work in ways.items():
            raw = pgbench_rate(server, stage.seconds)
            pairs[way].append(Pair(work(), raw))
            print(f"turn {turn + 1} {way}: {pairs[way][-1]}", file=sys.stderr)
    more: dict[str, object] = {
        f"{way}_ratio": round(statistics.median(pair.ratio for pair in pairs[way]), 3)
        for way in WAYS
    }
    more |= {
        f"{way}_per_s": round(statistics.median(pair.ours for pair in pairs[way])) for way in WAYS
    }
    more["group_p99_ms"] = round(statistics.median(p99), 2)
    more["balance_at_p95_ms"] = round(balance_at_p95_ms(stage), 3)
    more["pgbench_c64"] = round(pgbench_rate(server, stage.seconds, 64), 1)
    return {"pairs": pairs["group"], "more": more}


def assert_invariants(server: EmbeddedPostgres) -> int:
    """Sequence what waits, then ask every invariant; gives the records in the log."""
    database = Database(
        server.url("strongroom_relay", "strongroom"), clock=CLOCK, application_name="bench"
    )
    sequencer = Sequencer(database)
    while sequencer.step():
        pass
    with database.read(None, ACTOR) as uow:
        uow.execute("SET LOCAL statement_timeout = 0")
        size = auditlog.head(uow).size
        found = invariants.broken(uow) + verification.broken(uow)
    database.close()
    if found:
        raise SystemExit("ledger: the invariants do not hold: " + " ".join(found))
    return size


def main() -> int:
    """Start a durable server of our own, measure, assert, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare here")
    parser.add_argument("--seconds", type=float, default=3.0, help="a measurement")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    if options.prepare:
        return 0
    with tempfile.TemporaryDirectory(prefix="sr-bench-", dir="/tmp") as folder:
        server = EmbeddedPostgres(Path(folder) / "data", Path(folder) / "log")
        server.prepare()
        with running(server.program()):
            return bench(server, options.seconds, options.turns)


def bench(server: EmbeddedPostgres, seconds: float, turns: int) -> int:
    """Measure with the sequencer and the folder running, as the relay process runs them."""
    organisation = prepare(server)
    stage = Stage(server.url("strongroom_api", "strongroom"), organisation, seconds)
    relay = multiprocessing.get_context("spawn").Process(
        target=background, args=(server.url("strongroom_relay", "strongroom"),), daemon=True
    )
    relay.start()
    with psycopg.connect(server.conninfo()) as asked:
        version = asked.info.parameter_status("server_version")
    found = measure(server, stage, turns)
    relay.terminate()
    relay.join()
    analyse(server)
    log_records = assert_invariants(server)
    report(
        "ledger",
        "transfers by group commit, 64 callers, 1,000 accounts, key + audit record + answer each",
        "transfers/s",
        found["pairs"],  # type: ignore[arg-type]
        raw_limit_is="pgbench -s 10 -j 2 -M prepared -c 4 on the same server, before each turn",
        more={**found["more"], "log_records": log_records, "seed": SEED},  # type: ignore[dict-item]
        postgres=version,
    )
    return 0


def background(url: str) -> None:
    """The relay process's loops that stand beside every posting."""
    database = Database(url, clock=CLOCK, pool_size=4, application_name="bench relay")
    stop = threading.Event()
    Loop("sequencer", Sequencer(database).step, 0.1, stop).start()
    Loop("folder", Folder(database).step, 1.0, stop).run()


if __name__ == "__main__":
    raise SystemExit(main())

"""Payments a second through the relay, mined and seen, beside bare eth_sendRawTransaction."""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from coincurve import PrivateKey

from benches.report import in_turns, report
from benches.signing import Signer
from strongroom.chain.node import Node
from strongroom.cli.dev.anvil import anvil_program, node_url
from strongroom.cli.dev.postgres import EmbeddedPostgres
from strongroom.cli.dev.program import Program, running
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.db.migrate import migrate
from strongroom.kit.clock import SystemClock
from strongroom.relay import service
from strongroom.wallets.service import custody_code
from strongroom_protocol.addresses import ZERO, Address, address_of_public_key, parse_address
from strongroom_protocol.authority import organisation_uuid
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.signatures import Signature
from strongroom_protocol.transactions import Transaction1559
from tests.factories.house import executable
from tests.factories.parts.place import free_port
from tests.integration.strongroom_signer.people import CHAIN_ID, SHIPPER, Company
from tests.integration.strongroom_signer.spending import hot_intent, spend

ROOT = Path(__file__).resolve().parents[2]
CALLERS = 32
RAW_KEYS, RAW_THREADS, RAW_BATCH = 8, 4, 64
NAME = "strongroom"
ETHER = 10**18
BLOCK_GAS = 10**10
WAIT_SECONDS = 180
EVIDENCE = ("organisation", "intent", "initiator_signature", "approvals", "clearance")
ACTOR = system("bench")


@dataclass
class Stage:
    """Everything real: PostgreSQL with fsync, a node of one-second blocks, the signer, and the two
    processes `strongroom relay` and `strongroom indexer`.
    """

    folder: Path
    server: EmbeddedPostgres
    signer: Signer
    node: Node
    database: Database
    paid: int = 0
    raw_nonces: list[int] = field(default_factory=lambda: [0] * RAW_KEYS)
    pids: dict[str, int] = field(default_factory=dict)
    cpu_before: dict[str, float] = field(default_factory=dict)

    def cpu_seconds(self) -> dict[str, float]:
        """Of each process and its children until now."""
        ticks: dict[str, float] = dict.fromkeys(self.pids, 0.0)
        names = {pid: name for name, pid in self.pids.items()}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                words = stat.read_text().rpartition(")")[2].split()
                name = names.get(int(stat.parent.name)) or names.get(int(words[1]))
                if name is not None:
                    ticks[name] += int(words[11]) + int(words[12])
        return {name: found / os.sysconf("SC_CLK_TCK") for name, found in ticks.items()}

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says, past row-level security."""
        with psycopg.connect(self.server.conninfo(database=NAME)) as connection:
            return connection.execute(query.encode(), values or None).fetchall()

    def payloads(self, count: int) -> list[tuple[Company, dict[str, Any]]]:
        """New payments of one wei, signed by their people and the screener."""
        companies = self.signer.companies
        made = []
        for number in range(count):
            company = companies[number % len(companies)]
            intent = hot_intent(company, token=ZERO, units=1)
            body = spend(company, intent, company.approvers[:2])
            made.append((company, {name: body[name] for name in EVIDENCE}))
        return made

    def enqueue(self, company: Company, payload: dict[str, Any]) -> None:
        """As the withdrawals' loop does it: one unit a payment."""
        with self.database.unit(organisation_uuid(company.ref), ACTOR) as uow:
            ref = keccak256(repr(payload["intent"]).encode())
            service.enqueue(
                uow, organisation_uuid(company.ref), "hot_payment", ref, payload, chain_id=CHAIN_ID
            )

    def wait_mined(self) -> None:
        """Until each row's receipt is in the books. It asks by one connection, whether the index of
        what is due has any row: counting all of them cost a third of the database's time.
        """
        with psycopg.connect(self.server.conninfo(database=NAME), autocommit=True) as connection:

            def none_waits() -> bool:
                found = connection.execute(
                    "SELECT EXISTS (SELECT FROM outgoing"
                    " WHERE state IN ('queued', 'signed', 'broadcast'))"
                ).fetchone()
                return found == (False,)

            wait_until(none_waits, self)

    def pay(self, count: int, rate: float | None = None) -> float:
        """Seconds from the first of so many payments, put in line by 32 callers, until the last one
        is mined and its receipt is in the books. `rate`: put in line evenly, so many a second.
        """
        payloads = self.payloads(count)
        self.cpu_before = self.cpu_seconds()
        begun = time.perf_counter()

        def put(number: int) -> None:
            if rate is not None:
                time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            self.enqueue(*payloads[number])

        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(put, range(count)))
        self.paid += count
        self.wait_mined()
        return time.perf_counter() - begun

    def send_bare(self, count: int) -> float:
        """Seconds for transactions that were signed before, until each one's receipt is read."""
        batches = [raws for key in range(RAW_KEYS) for raws in self.presigned(key, count)]
        first = self.node.block_number()
        begun = time.perf_counter()
        with ThreadPoolExecutor(RAW_THREADS) as threads:
            sent = list(threads.map(self.node.send_all, batches))
        if any(not isinstance(one, bytes) for answers in sent for one in answers):
            sys.exit("relay: the node refused a transaction of the raw limit")
        seen, height = 0, first
        while seen < count:
            if height < self.node.block_number():
                height += 1
                block = self.node.request("eth_getBlockReceipts", hex(height))
                seen += sum(int(one["from"], 16) in RAW_SENDERS for one in block)
            else:
                time.sleep(0.01)
        return time.perf_counter() - begun

    def presigned(self, number: int, count: int) -> Iterator[list[bytes]]:
        """One key's share of `count` payments of one wei, in batches."""
        key, first = RAW[number], self.raw_nonces[number]
        share = count // RAW_KEYS
        self.raw_nonces[number] += share
        raws = [presign(key, first + offset) for offset in range(share)]
        for at in range(0, share, RAW_BATCH):
            yield raws[at : at + RAW_BATCH]


def address(key: PrivateKey) -> Address:
    """Of a key."""
    return address_of_public_key(key.public_key.format(compressed=False))


RAW = [PrivateKey(keccak256(b"raw limit %d" % number)) for number in range(RAW_KEYS)]
RAW_SENDERS = {int.from_bytes(address(key), "big") for key in RAW}


def presign(key: PrivateKey, nonce: int) -> bytes:
    """A payment of one wei."""
    transaction = Transaction1559(
        chain_id=CHAIN_ID,
        nonce=nonce,
        max_priority_fee_per_gas=1,
        max_fee_per_gas=100 * 10**9,
        gas=21_000,
        to=SHIPPER,
        value=1,
        data=b"",
    )
    made = key.sign_recoverable(transaction.signing_hash(), hasher=None)
    return transaction.signed_bytes(Signature.parse(made[:64] + bytes([made[64] + 27])))


def wait_until(holds: Any, stage: Stage) -> None:
    """Or leave the bench with what the processes wrote."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            said = "".join(
                f"\n{log.name}: {log.read_text()[-1500:]}" for log in stage.folder.glob("*.log")
            )
            states = stage.rows("SELECT state, last_error, count(*) FROM outgoing GROUP BY 1, 2")
            sys.exit(f"relay: it never came to hold; {states}{said}")
        time.sleep(0.02)


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Start everything, and end it on the way out."""
    with ExitStack() as stack:
        server = EmbeddedPostgres(folder / "data", folder / "postgres.log")
        server.prepare()
        pids = {"postgres": stack.enter_context(running(server.program())).pid}
        migrate(server.url(database=NAME))
        port = free_port()
        anvil = anvil_program(ROOT, folder / "anvil.log", port)
        pids["node"] = stack.enter_context(running(anvil)).pid
        signer = Signer.founded(folder / "signer", "relay")
        stack.callback(signer.stop)
        signer.start()
        signer.found()
        node = stack.enter_context(Node([node_url(port)], CHAIN_ID))
        node.request("evm_setBlockGasLimit", hex(BLOCK_GAS))
        database = Database(
            server.url("strongroom_relay", NAME),
            clock=SystemClock(),
            pool_size=CALLERS,
            application_name="bench",
        )
        stack.callback(database.close)
        stage = Stage(folder, server, signer, node, database, pids=pids)
        furnish(stage)
        for role in ("indexer", "relay"):
            pids[role] = stack.enter_context(running(process(stage, role, port))).pid
        pids |= {"callers": os.getpid(), "signer": 0 if signer.child is None else signer.child.pid}
        yield stage


def furnish(stage: Stage) -> None:
    """Organisations with money in their keys, and the rows that the deploy would have left."""
    relay = parse_address(stage.signer.ask("status", {})["keys"]["relay"])
    with psycopg.connect(stage.server.conninfo(database=NAME)) as superuser:
        superuser.execute(
            "INSERT INTO platform (chain_id, relay, permit_signer, store_epoch, deployed_at,"
            " checked_at) VALUES (%s, %s, %s, 1, now(), now())",
            (CHAIN_ID, relay, b"\x0b" * 20),
        )
        for company in stage.signer.companies:
            key = parse_address(company.account["spending"][0]["address"])
            organisation = organisation_uuid(company.ref)
            superuser.execute(
                "INSERT INTO organisation (id, ref, name, chain_id, genesis, created_at)"
                " VALUES (%s, %s, %s, %s, '{}', now())",
                (organisation, company.ref, company.name, CHAIN_ID),
            )
            superuser.execute(
                "INSERT INTO watched_address (organisation_id, id, chain_id, address, kind,"
                " custody_code, created_at)"
                " VALUES (%s, gen_random_uuid(), %s, %s, 'spending', %s, now())",
                (organisation, CHAIN_ID, key, custody_code(CHAIN_ID, key)),
            )
            stage.node.request("anvil_setBalance", "0x" + key.hex(), hex(1000 * ETHER))
    for payer in RAW:
        stage.node.request("anvil_setBalance", "0x" + address(payer).hex(), hex(1000 * ETHER))


def process(stage: Stage, role: str, port: int) -> Program:
    """`strongroom relay` or `strongroom indexer`, as in production."""
    return Program(
        name=role,
        argv=(executable("strongroom"), role),
        log=stage.folder / f"{role}.log",
        environment={
            "STRONGROOM_DATABASE_URL": stage.server.url(f"strongroom_{role}", NAME),
            "STRONGROOM_RPC_URLS": node_url(port),
            "STRONGROOM_CHAIN_ID": str(CHAIN_ID),
            "STRONGROOM_SIGNER_SOCKET": str(stage.signer.socket),
            "STRONGROOM_REDIS_URL": "redis://127.0.0.1:1/0",
        },
    )


def check(stage: Stage) -> None:
    """Every payment was mined once under a nonce of its own, and no nonce is missing."""
    paid = stage.node.balance(SHIPPER) - sum(stage.raw_nonces)
    rows = stage.rows(
        "SELECT min(nonce), max(nonce), count(DISTINCT nonce), count(*), bool_and(succeeded)"
        " FROM outgoing GROUP BY sender"
    )
    if paid != stage.paid or sum(row[3] for row in rows) != stage.paid:
        sys.exit(f"relay: {stage.paid} payments were ordered and {paid} paid")
    if any((low, high + 1, True) != (0, count, fine) or count != all_ for low, high, count, all_,
           fine in rows):  # fmt: skip
        sys.exit(f"relay: a nonce is missing or there twice: {rows}")


def milliseconds(stage: Stage, count: int) -> dict[str, float]:
    """Of the newest payments, from being put in line to being with a node, and to being mined."""
    rows = stage.rows(
        "SELECT extract(epoch FROM first_broadcast_at - created_at) * 1000 FROM outgoing"
        " JOIN outgoing_attempt ON outgoing_id = id AND outgoing_attempt.attempt = 0"
        " ORDER BY created_at DESC LIMIT %s",
        count,
    )
    cuts = statistics.quantiles([float(row[0]) for row in rows], n=100)
    return {"p50_ms": round(cuts[49], 1), "p99_ms": round(cuts[98], 1)}


def measure(stage: Stage, options: argparse.Namespace) -> None:
    """Turns of ours and of the raw limit, then half the load for the milliseconds."""
    stage.pay(200)
    took: list[dict[str, float]] = []

    def ours() -> float:
        seconds = stage.pay(options.payments)
        after, before = stage.cpu_seconds(), stage.cpu_before
        took.append({name: after[name] - before[name] for name in before})
        return float(options.payments / seconds)

    pairs = in_turns(
        ours,
        lambda: options.raw / stage.send_bare(options.raw),
        turns=options.turns,
    )
    rate = statistics.median(pair.ours for pair in pairs)
    some = int(rate / 2 * options.seconds)
    stage.pay(some, rate / 2)
    check(stage)
    version = str(stage.rows("SHOW server_version")[0][0])
    report(
        "relay",
        "hot payments: put in line, signed, stored, sent, mined, receipts booked",
        "transactions/s",
        pairs,
        raw_limit_is="bare eth_sendRawTransaction of pre-signed transactions in batches of "
        f"{RAW_BATCH}, one-second blocks, receipts read",
        more={
            **milliseconds(stage, some),
            "p99_is": "from put in line to handed to a node, evenly spaced at half the load",
            "cpu_ms_each": {
                name: round(
                    1e3 * statistics.median(one[name] for one in took) / options.payments, 2
                )
                for name in stage.pids
            },
            "workers": 1,
            "callers": CALLERS,
            "keys": len(stage.signer.companies),
            "payments": stage.paid,
            "gap_free": True,
        },
        postgres=version,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """One relay, one signer, one indexer, one node."""
    parser = argparse.ArgumentParser(prog="scripts/bench relay", description=__doc__)
    parser.add_argument("--payments", type=int, default=3_000, help="of each turn")
    parser.add_argument("--raw", type=int, default=8_000, help="transactions of a raw turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="at half load")
    parser.add_argument("--prepare", action="store_true", help="nothing: all is made in the run")
    options = parser.parse_args(arguments)
    if options.prepare:
        return 0
    with tempfile.TemporaryDirectory(prefix="sr-b-") as place, staged(Path(place)) as stage:
        measure(stage, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""An organisation with a short history in the books, the log and on chain, and the export job."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.auditlog import service as auditlog
from strongroom.auditlog.checkpointer import Checkpointer
from strongroom.auditlog.sequencer import Sequencer
from strongroom.bootstrap.worker import Services
from strongroom.config import Config
from strongroom.db.actor import Actor
from strongroom.db.database import Database
from strongroom.exports import service
from strongroom.exports.types import ExportView
from strongroom.kit.clock import FixedClock
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, ChainPoint, Leg, Posting
from strongroom.workers.app import Delivery
from strongroom.workers.exports import HANDLERS
from strongroom_protocol.checkpoint import Checkpoint, signed_note
from strongroom_verify.verify import Report, verify
from tests.factories.bundles import (
    CHAIN_ID,
    DEPOSIT,
    PAYER,
    TOKEN,
    Block,
    custody,
    log,
    moved,
    receipt,
    transaction,
)
from tests.factories.parts.postgres import TestDatabase

ONE = UUID("0198c000-0000-8000-8000-000000000001")
TWO = UUID("0198c000-0000-8000-8000-000000000002")
AUDITOR = Actor("person", "anton")
SUSPENSE, CLIENT = "suspense:unscreened", "client:treasury"


class LogKey:
    """Signs heads as the signer does."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw()

    def sign(self, size: int, root: bytes, consistency_proof: Sequence[bytes]) -> str:
        del consistency_proof
        checkpoint = Checkpoint("strongroom.test/log", size, root)
        return signed_note(checkpoint, self.public, self.key.sign(checkpoint.text()))


@dataclass
class House:
    """Everything an export meets."""

    database: TestDatabase
    clock: FixedClock
    log_key: LogKey
    worker: Database
    relay: Database
    indexer: Database
    delivery: Delivery
    export_dir: Path

    def log(self, *, sign: bool = True) -> None:
        """Sequence what waits, and sign."""
        while Sequencer(self.relay).step():
            pass
        if sign:
            Checkpointer(self.relay, self.log_key).step()

    def book(self, action: str, postings: list[Posting], organisation: UUID = ONE) -> None:
        """One unit of an indexer: the books and the record over the rows."""
        with self.indexer.unit(None, Actor("system", "indexer")) as uow:
            refs = [
                AccountRef(organisation, code, leg.asset)
                for posting in postings
                for leg in posting.legs
                for code in (leg.debit, leg.credit)
            ]
            ledger.open_accounts(uow, refs)
            auditlog.append(
                uow, action, "x", {}, rows=ledger.rows(postings), organisation_id=organisation
            )
            assert all(found.code is None for found in ledger.post(uow, postings))

    def request(self, organisation: UUID = ONE) -> UUID:
        with self.worker.unit(organisation, AUDITOR) as uow:
            return service.request_export(uow, organisation_id=organisation)

    def view(self, export: UUID) -> ExportView:
        with self.worker.read(None, AUDITOR) as uow:
            return service.get(uow, export)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.conninfo()) as connection:
            return connection.execute(query.encode()).fetchall()

    def deliver(self) -> int:
        """What is due now, once each."""
        due = self.rows(
            "SELECT organisation_id, id FROM outbox WHERE done_at IS NULL AND topic = "
            f"'exports.build' AND due_at <= '{self.clock.now().isoformat()}'"
        )
        for organisation, outbox_id in due:
            self.delivery.deliver(organisation, outbox_id)
        return len(due)

    def finish(self, export: UUID) -> Path:
        """Log and deliver until the export is ready."""
        for _ in range(10):
            self.log()
            self.deliver()
            self.clock.advance(1)
        view = self.view(export)
        assert view.state == "ready", view
        with self.worker.read(None, AUDITOR) as uow:
            return service.path(uow, export, self.export_dir)

    def verify(self, bundle: Path) -> Report:
        return verify(bundle, self.log_key.public)


def store_block(connection: psycopg.Connection[Any], block: Block, time: datetime) -> None:
    """What the indexer keeps of a block that touches us."""
    connection.execute(
        "INSERT INTO chain_cursor (chain_id, start_height, height, block_hash, confirmed_height, "
        "safe_height, finalized_height, epoch, updated_at) "
        "VALUES (%s, 0, %s, %s, 0, 0, 0, 1, %s) ON CONFLICT DO NOTHING",
        (CHAIN_ID, block.height, block.hash, time),
    )
    block_id = UUID(int=block.height)
    connection.execute(
        "INSERT INTO chain_block (id, chain_id, height, block_hash, sighting, parent_hash, "
        "block_time, header_rlp, receipts_root, touched, state, seen_at) "
        "VALUES (%s, %s, %s, %s, 1, %s, %s, %s, %s, true, 'confirmed', %s)",
        (
            *(block_id, CHAIN_ID, block.height, block.hash, bytes(32), time, block.header),
            *(bytes(32), time),
        ),
    )
    for at, raw in enumerate(block.receipts):
        line = block.receipt_line(at)
        proofs = [
            [bytes.fromhex(node[2:]) for node in line[name]]
            for name in ("receipt_proof", "tx_proof")
        ]
        connection.execute(
            "INSERT INTO chain_receipt (block_id, chain_id, block_hash, tx_index, tx_hash, sender, "
            "recipient, nonce, succeeded, gas_used, effective_gas_price_wei, receipt_rlp, "
            "receipt_proof, transaction_raw, tx_proof) VALUES "
            "(%s, %s, %s, %s, %s, %s, %s, 0, true, 21000, 1, %s, %s, %s, %s)",
            (
                *(block_id, CHAIN_ID, block.hash, at, bytes.fromhex(line["tx"][2:]), PAYER),
                *(DEPOSIT, raw, proofs[0], block.transactions[at], proofs[1]),
            ),
        )


def on_chain(key: str, legs: Leg, block: Block, at: int, kind: str, position: int) -> Posting:
    """A posting for a transfer from the payer to the deposit address."""
    told = moved(block, at, kind, position, (PAYER, DEPOSIT))
    point = ChainPoint(CHAIN_ID, block.height, block.hash)
    return Posting(ONE, key, "deposit", (legs,), chain=point, memo=told["memo"])


@pytest.fixture
def house(database: TestDatabase, tmp_path: Path) -> Iterator[House]:
    clock = FixedClock(datetime(2026, 11, 22, 9, tzinfo=UTC))
    made: list[Database] = []

    def connect(role: str) -> Database:
        made.append(Database(database.url(role), clock=clock, pool_size=6, application_name="test"))
        return made[-1]

    with psycopg.connect(database.conninfo()) as connection:
        for number, organisation in enumerate((ONE, TWO), start=1):
            connection.execute(
                "INSERT INTO organisation (id, ref, name, chain_id, account_index, genesis, "
                "created_at) VALUES (%s, %s, %s, 31337, %s, '{}', now())",
                (organisation, bytes([number]) * 32, f"Organisation {number}", number),
            )
    worker = connect("strongroom_worker")
    export_dir = tmp_path / "exports"
    config = Config.from_environment(
        {"STRONGROOM_DATABASE_URL": worker.url, "STRONGROOM_EXPORT_DIR": str(export_dir)}
    )
    delivery = Delivery(Services(config, worker, clock), HANDLERS)
    relay, indexer = connect("strongroom_relay"), connect("strongroom_indexer")
    yield House(database, clock, LogKey(), worker, relay, indexer, delivery, export_dir)
    for one in made:
        one.close()


@pytest.fixture
def lived(house: House) -> House:
    """Two deposits on chain, their release, another organisation's business in between."""
    block = Block(
        7,
        [transaction(DEPOSIT, 10**18, 0), transaction(TOKEN, 0, 1)],
        [receipt([]), receipt([log(TOKEN, PAYER, DEPOSIT, 250)])],
    )
    with psycopg.connect(house.database.conninfo()) as connection:
        store_block(connection, block, house.clock.now())
    ether, token = Leg(custody(DEPOSIT), SUSPENSE, "ETH/18", 10**18), "TUSD/6"
    arrivals = [
        on_chain("a", ether, block, 0, "native", -1),
        on_chain("b", Leg(custody(DEPOSIT), SUSPENSE, token, 250), block, 1, "erc20", 0),
    ]
    house.book("indexer.block", arrivals)
    stranger = Posting(TWO, "s", "fiat", (Leg("fiat:bank:x", CLIENT, "EUR/2", 9),))
    house.book("fiat.booked", [stranger], TWO)
    house.log()
    house.clock.advance(1)
    release = [
        Posting(ONE, f"r{asset}", "settled", (Leg(SUSPENSE, CLIENT, asset, units),))
        for asset, units in (("ETH/18", 10**18), (token, 250))
    ]
    house.book("deposits.settled", release)
    return house

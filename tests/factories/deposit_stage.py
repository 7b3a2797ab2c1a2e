"""The chain's stage with a screener, its list, a worker that delivers, a policy and a vault."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.types.json import Jsonb

from strongroom.auditlog import service as auditlog
from strongroom.bootstrap.worker import Services
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.kit.clock import SystemClock
from strongroom.kit.ids import HOUSE
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, Leg, Posting
from strongroom.screening import service as screening
from strongroom.screening.screener import Screener
from strongroom.workers.app import Delivery
from strongroom.workers.jobs import handlers
from strongroom_protocol.addresses import checksum
from tests.factories.books import make_organisation
from tests.factories.chain_stage import ADDRESS, ETH, VAULT, Stage
from tests.unit.strongroom_protocol.organisation import document

# Pay it and it keeps the money; call it with an address and it pays out all it has: a deposit
# address as the sweep delegate makes it, without the delegate.
LEAF = "36600557005b5f5f5f5f475f355af100"


class ShiftedClock:
    """The machine's clock, moved on when told to."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.shift

    def advance(self, seconds: int) -> None:
        self.shift += timedelta(seconds=seconds)


@dataclass
class Flow:
    """A stage whose screener and worker run when told to."""

    stage: Stage
    clock: ShiftedClock
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    environment: dict[str, str] = field(default_factory=dict)
    """Of the worker, besides the screener's key."""

    def import_list(self, *listed: bytes) -> None:
        """Make these addresses the sanctions list."""
        text = "".join(f"0x{item.hex()}\n" for item in (*listed, b"\x66" * 20))
        with self.stage.connect(pool_size=1).unit(HOUSE, system("test")) as uow:
            screening.import_list(uow, name="test", source="test", content=text.encode())

    def screen(self) -> None:
        """The screener answers what is queued."""
        screener = Screener(self.stage.connect("strongroom_screener", pool_size=2), self.key)
        while screener.step():
            pass

    def deliver(self, *topics: str) -> int:
        """The worker handles what waits for it; gives how many messages."""
        waiting = self.stage.rows(
            "SELECT organisation_id, id FROM outbox WHERE done_at IS NULL AND topic = ANY(%s)"
            " ORDER BY created_at",
            list(topics),
        )
        database = self.stage.connect("strongroom_worker", pool_size=2)
        database.clock = self.clock
        public = self.key.public_key().public_bytes_raw().hex()
        config = Config.from_environment(
            {"STRONGROOM_SCREENER_PUBLIC_KEY": public, **self.environment}
        )
        delivery = Delivery(Services(config, database, self.clock), handlers())
        for row in waiting:
            delivery.deliver(row["organisation_id"], row["id"])
        return len(waiting)

    def settle(self) -> None:
        """Screen, and act on the verdicts."""
        self.screen()
        self.deliver("deposits.settle")

    def look(self) -> None:
        """Beat's job that looks at what waits, and what it asks for."""
        database = self.stage.connect("strongroom_worker", pool_size=1)
        database.clock = self.clock
        with database.unit(None, system("beat")) as uow:
            handlers()["deposits.look"](uow, {}, None)  # type: ignore[arg-type]
        self.deliver("deposits.settle", "deposits.named")

    def other_organisation(self) -> UUID:
        """Another client of the house."""
        return make_organisation(self.stage.connect.found, "Other")

    def plan(self) -> None:
        """Beat's job, and what it asks of each organisation."""
        with self.stage.connect("strongroom_worker", pool_size=1).unit(None, system("beat")) as uow:
            handlers()["deposits.plan_sweeps"](uow, {}, None)  # type: ignore[arg-type]
        self.deliver("deposits.sweep")

    def insert(self, table: str, **columns: Any) -> None:
        """Arrange a row of another room, past its doors."""
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        with psycopg.connect(self.stage.connect.found.conninfo()) as connection:
            sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"
            connection.execute(sql.encode(), list(columns.values()))

    def change(self, sql: str) -> None:
        """Arrange what another room would have written, past its doors."""
        with psycopg.connect(self.stage.connect.found.conninfo()) as connection:
            connection.execute(sql.encode())

    def insert_spend(self) -> None:
        """The client's whole credit goes out again, to the house's fees."""
        legs = (Leg("client:treasury", "house:fees", ETH, 5),)
        with self.stage.connect("strongroom_worker", pool_size=1).unit(
            self.stage.organisation, system("test")
        ) as uow:
            ledger.open_accounts(uow, [AccountRef(self.stage.organisation, "house:fees", ETH)])
            posting = Posting(self.stage.organisation, "spend", "test", legs)
            auditlog.append(uow, "test", "test", {}, rows=ledger.rows([posting]))
            ledger.post_or_raise(uow, posting)

    def give_out(self, address: bytes = ADDRESS, index: int = 0, **more: Any) -> None:
        """A wallet address as if it had been given out (its own tests show how)."""
        organisation, now = self.stage.organisation, self.clock.now()
        if index == 0:
            self.insert(
                "wallet_account",
                organisation_id=organisation,
                id=organisation,
                chain_id=self.stage.chain.chain_id,
                account_index=7,
                xpub="x" * 111,
                xpub_hash=bytes(32),
                manifest_root=bytes(32),
                manifest_count=10,
                manifest_digest=bytes(32),
                officer_signatures=[bytes(65)],
                created_at=now,
            )
        values = {
            "organisation_id": organisation,
            "id": UUID(int=index + 1),
            "account_id": organisation,
            "chain_id": self.stage.chain.chain_id,
            "address_index": index,
            "path": f"m/44'/60'/7'/0/{index}",
            "address": address,
            "label": "",
            "client_account": "client:treasury",
            "manifest_proof": [bytes(32)],
            "provenance_signature": bytes(65),
            "manifest_root": bytes(32),
            "manifest_count": 1,
            "created_at": now,
        }
        self.insert("wallet_address", **(values | more))

    def make_vault(
        self, token: bytes | None = None, *, mandate: bool = True, **changes: Any
    ) -> None:
        """An active policy, and a vault that stands."""
        organisation, now = self.stage.organisation, self.clock.now()
        policy = document(**({"mandates": {"sweep": mandate}} | changes))
        if token is not None:
            policy["tokens"][1]["contract"] = checksum(token)
            policy["vault"]["limits"][1]["token"] = checksum(token)
        self.insert(
            "policy_bundle",
            organisation_id=organisation,
            version=1,
            digest=bytes(32),
            content=Jsonb(policy),
            signatures=Jsonb([]),
            officer_signatures=Jsonb([]),
            staged_at=now,
            activated_at=now,
        )
        for number, purpose in enumerate(("vault_creation", "delegate_deployment")):
            self.insert(
                "outgoing",
                organisation_id=organisation,
                id=UUID(int=number + 1),
                chain_id=self.stage.chain.chain_id,
                purpose=purpose,
                ref=bytes([number + 1]) * 32,
                request_id="",
                payload=Jsonb({}),
                state="finalized",
                sender=b"\x99" * 20,
                nonce=number,
                due_at=now,
                created_at=now,
                updated_at=now,
            )
        self.insert(
            "vault",
            organisation_id=organisation,
            id=UUID(int=9),
            chain_id=self.stage.chain.chain_id,
            address=VAULT,
            sweeper=b"\x77" * 20,
            policy_version=1,
            owners=Jsonb([]),
            threshold=2,
            state="active",
            creation_id=UUID(int=1),
            delegate_id=UUID(int=2),
            created_at=now,
            updated_at=now,
            active_at=now,
        )
        self.stage.watch(VAULT, "vault")


@pytest.fixture
def flow(stage: Stage) -> Flow:
    """A stage with screener and worker."""
    return Flow(stage, ShiftedClock())

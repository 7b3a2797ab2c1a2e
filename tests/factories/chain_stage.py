"""A chain, an organisation with a watched address, and an indexer between them: all real."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.db.leader import Leader
from strongroom.deposits.sink import DepositSink
from strongroom.indexer.balances import BalanceReader
from strongroom.indexer.booking import BlockBooks
from strongroom.indexer.fetch_thread import FetchThread
from strongroom.indexer.follower import Follower
from strongroom.kit.errors import StrongroomError
from strongroom.ledger import invariants
from strongroom.ledger import service as ledger
from strongroom.wallets import service as wallets
from strongroom.wallets.types import AddressKind
from tests.factories.books import Connections, make_organisation
from tests.factories.parts.anvil import Chain
from tests.factories.parts.place import REPOSITORY

TUSD = "TUSD/6"
ETH = "ETH/18"
SUSPENSE = "suspense:unscreened"
ADDRESS = bytes.fromhex("d0" * 20)
VAULT = bytes.fromhex("ab" * 20)
STEPS_MAX = 400

# Hand-assembled: forward the value to the address in the first word of the call's data.
FORWARD = "5f5f5f5f345f355af100"
# The same, and then revert.
FORWARD_AND_REVERT = "5f5f5f5f345f355af15f5ffd"
# Call the first word's address with the second word and the value; go on whatever it did.
CALL_AND_SWALLOW = "602060205f375f5f60205f345f355af100"


class AlwaysLeads:
    """A leadership for tests with one indexer."""

    def epoch(self) -> int | None:
        return 1


class Elected:
    """A leadership by the real lock."""

    def __init__(self, leader: Leader) -> None:
        self.leader = leader

    def epoch(self) -> int | None:
        return self.leader.epoch if self.leader.lead() else None


@dataclass
class Stage:
    """One organisation on one chain."""

    chain: Chain
    connect: Connections
    organisation: UUID
    threads: list[FetchThread] = field(default_factory=list)

    def follower(
        self,
        *,
        confirmations: int = 1,
        leadership: Any = None,
        urls: Sequence[str] = (),
        agree: int = 1,
        finality_depth: int = 0,
        extra_sinks: Sequence[Any] = (),
    ) -> Follower:
        """An indexer as its process joins it, with the deposits' sink."""
        database = self.connect("strongroom_indexer", pool_size=3)
        thread = FetchThread(
            urls or [self.chain.url],
            agree=agree,
            finality_depth=finality_depth,
            timeout_seconds=5,
        )
        self.threads.append(thread)
        sink = DepositSink(self.chain.chain_id)
        books = BlockBooks(
            database,
            self.chain.chain_id,
            confirmations=confirmations,
            sinks=(*extra_sinks, sink),
            seen_sinks=(sink,),
        )
        balances = BalanceReader(database, thread, chain_id=self.chain.chain_id, native_asset=ETH)
        return Follower(
            database,
            books,
            thread,
            leadership or AlwaysLeads(),
            balances,
            chain_id=self.chain.chain_id,
            start_height=0,
        )

    def watch(self, address: bytes = ADDRESS, kind: AddressKind = "deposit", **more: Any) -> None:
        """Register an address as the API does."""
        with self.connect(pool_size=1).unit(self.organisation, system("test")) as uow:
            wallets.watch(
                uow,
                chain_id=self.chain.chain_id,
                address=address,
                kind=kind,
                organisation_id=self.organisation,
                **more,
            )

    def allow(self, token: bytes, asset: str = TUSD) -> None:
        """Put a token into the organisation's policy."""
        with self.connect(pool_size=1).unit(self.organisation, system("test")) as uow:
            wallets.allow_token(uow, chain_id=self.chain.chain_id, contract=token, asset=asset)

    def send(self, to: bytes, value: int = 0, data: str = "0x", payer: int = 0, **more: Any) -> str:
        """An unlocked account sends a transaction; gives its hash. Nothing is mined."""
        sent = {
            "from": self.chain.accounts()[payer],
            "to": "0x" + to.hex(),
            "value": hex(value),
            "data": data,
            **more,
        }
        return str(self.chain.rpc("eth_sendTransaction", sent))

    def deploy(self, code: str) -> bytes:
        """Put a hand-assembled contract on chain; gives its address."""
        size = len(code) // 2
        return self.create(f"0x60{size:02x}8060095f395ff3{code}")

    def deploy_dollar(self) -> bytes:
        """A 6-decimal token whose minter is the first account; gives its address."""
        artifact = json.loads((REPOSITORY / "scripts/first_day/test_dollar.json").read_text())
        owner = self.chain.accounts()[0][2:].rjust(64, "0")
        return self.create("0x" + artifact["creation"].removeprefix("0x") + owner)

    def create(self, init_code: str) -> bytes:
        """Mine a contract creation."""
        sent = self.chain.rpc(
            "eth_sendTransaction", {"from": self.chain.accounts()[0], "data": init_code}
        )
        self.chain.mine()
        receipt: Any = self.chain.rpc("eth_getTransactionReceipt", sent)
        assert receipt["status"] == "0x1"
        return bytes.fromhex(receipt["contractAddress"][2:])

    def mint(self, token: bytes, to: bytes, units: int) -> str:
        """The dollar's owner mints; a Transfer from the zero address."""
        data = "0x40c10f19" + to.rjust(32, b"\0").hex() + units.to_bytes(32, "big").hex()
        return self.send(token, data=data, gas="0x30000")

    def pay_token(self, token: bytes, to: bytes, units: int) -> str:
        """The first account pays in the dollar."""
        data = "0xa9059cbb" + to.rjust(32, b"\0").hex() + units.to_bytes(32, "big").hex()
        return self.send(token, data=data, gas="0x30000")

    def catch_up(self, *followers: Follower) -> None:
        """Step until nobody has anything to do."""
        for _ in range(STEPS_MAX):
            worked = [follower.step() for follower in followers]
            if not any(worked):
                return
        raise AssertionError(f"still busy after {STEPS_MAX} steps")

    def struggle(self, *followers: Follower) -> None:
        """The same for followers that get in each other's way."""
        for _ in range(STEPS_MAX):
            worked = False
            for follower in followers:
                worked |= self.tolerate(follower)
            if not worked:
                return
        raise AssertionError(f"still busy after {STEPS_MAX} steps")

    def tolerate(self, follower: Follower) -> bool:
        """One step that may fail in a way that is worth another try."""
        try:
            return follower.step()
        except StrongroomError as error:
            if not error.retryable:
                raise
            return True

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """Look at the tables past row-level security."""
        with psycopg.connect(self.connect.found.conninfo(), row_factory=dict_row) as connection:
            return connection.execute(sql.encode(), parameters).fetchall()

    def balances(self) -> dict[str, int]:
        """Posted balances that are not zero, "code asset" → units."""
        with self.connect("strongroom_indexer", pool_size=1).read(None, system("test")) as uow:
            found = ledger.balances(uow, self.organisation)
        return {f"{item.code} {item.asset}": item.posted for item in found if item.posted}

    def custody(self, address: bytes = ADDRESS) -> str:
        """The custody account of an address."""
        return wallets.custody_code(self.chain.chain_id, address)

    def assert_sound(self) -> None:
        """Every invariant of the books holds (P3)."""
        with self.connect("strongroom_worker", pool_size=1).read(None, system("test")) as uow:
            assert invariants.broken(uow) == []


@pytest.fixture
def connect(database: Any) -> Iterator[Connections]:
    """Connect to the test's database as any role."""
    connections = Connections(database)
    yield connections
    for opened in connections.opened:
        opened.close()


@pytest.fixture
def stage(anvil: Chain, connect: Connections) -> Iterator[Stage]:
    """A fresh chain and an organisation whose address is watched."""
    made = Stage(anvil, connect, make_organisation(connect.found))
    anvil.mine()
    made.watch()
    yield made
    for thread in made.threads:
        thread.stop()


def database_of(stage: Stage, role: str) -> Database:
    """A small pool for a role."""
    return stage.connect(role, pool_size=2)

"""The custodian's parts on one machine, and the people who use them; all of them real."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from strongroom.bootstrap.deploy import deploy
from strongroom.chain.node import Node
from strongroom.cli.dev.anvil import DEPLOYER_KEY
from strongroom.cli.dev.probes import unix_socket_accepts
from strongroom.cli.dev.program import Program
from strongroom.cli.dev.softhsm import SoftToken
from strongroom.config import Config
from strongroom.db.actor import Actor
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock
from strongroom.relay.rules import Pace
from strongroom.signing.client import SignerClient
from tests.factories.parts.anvil import Chain
from tests.factories.parts.place import REPOSITORY
from tests.factories.parts.postgres import TestDatabase

ETH, TUSD = "ETH/18", "TUSD/6"
OPERATOR = Actor("credential", "test", 1, frozenset({"operator"}))
DAY_SECONDS = 86_400
ZERO32 = "0x" + "00" * 32
DOLLAR = REPOSITORY / "scripts/first_day/test_dollar.json"


def person(name: str) -> LocalAccount:
    """The same key for the same name."""
    account: LocalAccount = Account.from_key(keccak(text=name))
    return account


def sign(signer: LocalAccount, typed: Mapping[str, Any]) -> str:
    """What a wallet answers to eth_signTypedData_v4."""
    made = signer.sign_typed_data(full_message=json.loads(json.dumps(typed)))
    return "0x" + bytes(made.signature).hex()


@dataclass(frozen=True)
class Cast:
    """Who is who. `ivo` may order and approve: but never his own order."""

    ada: LocalAccount = field(default_factory=lambda: person("ada, administrator"))
    ines: LocalAccount = field(default_factory=lambda: person("ines, initiator"))
    amir: LocalAccount = field(default_factory=lambda: person("amir, approver"))
    bea: LocalAccount = field(default_factory=lambda: person("bea, approver"))
    ivo: LocalAccount = field(default_factory=lambda: person("ivo, both"))
    officer: LocalAccount = field(default_factory=lambda: person("officer"))
    stranger: LocalAccount = field(default_factory=lambda: person("stranger"))
    supplier: str = field(default_factory=lambda: person("supplier").address)
    sanctioned: str = field(default_factory=lambda: person("sanctioned").address)

    def people(self) -> list[dict[str, Any]]:
        rows = (
            ("ada", self.ada, ["administrator"], "board"),
            ("ines", self.ines, ["initiator"], "treasury"),
            ("amir", self.amir, ["approver"], "treasury"),
            ("bea", self.bea, ["approver"], "board"),
            ("ivo", self.ivo, ["initiator", "approver"], "board"),
        )
        return [
            {
                "id": name,
                "name": name.capitalize(),
                "address": key.address,
                "roles": roles,
                "department": department,
            }
            for name, key, roles, department in rows
        ]


class ShiftedClock:
    """The machine's clock, some seconds ahead: the service's time passes, the chain's does not."""

    def __init__(self) -> None:
        self.ahead_seconds = 0

    def now(self) -> datetime:
        return SystemClock().now() + timedelta(seconds=self.ahead_seconds)


@dataclass
class House:
    """The custodian's parts on one machine."""

    database: TestDatabase
    chain: Chain
    folder: Path
    token: SoftToken
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    pace: Pace = field(default_factory=lambda: Pace(rebroadcast_after_seconds=1))
    cast: Cast = field(default_factory=Cast)
    coin: str = ETH
    screener_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.socket = self.folder / "signer.sock"
        self.node = Node([self.chain.url], self.chain.chain_id)
        self.signer = SignerClient(self.socket)
        self._databases: dict[str, Database] = {}

    def role(self, name: str) -> Database:
        """The database as the process of that name sees it."""
        if name not in self._databases:
            self._databases[name] = Database(
                self.database.url(f"strongroom_{name}"),
                clock=self.clock,
                pool_size=4,
                application_name=f"test-{name}",
            )
        return self._databases[name]

    def close(self) -> None:
        for database in self._databases.values():
            database.close()
        self.node.close()

    def signer_environment(self) -> dict[str, str]:
        return {
            **self.token.environment(),
            "STRONGROOM_SIGNER_DIR": str(self.folder / "signer"),
            "STRONGROOM_SIGNER_PIN_FILE": str(self.folder / "signer-pin"),
            "STRONGROOM_VAULT_PIN_FILES": f"{self.folder}/vault-pin-a,{self.folder}/vault-pin-b",
            "STRONGROOM_SIGNER_SOCKET": str(self.socket),
            "STRONGROOM_CHAIN_ID": str(self.chain.chain_id),
        }

    def environment(self, role: str) -> dict[str, str]:
        """What `strongroom NAME` reads."""
        return {
            "STRONGROOM_DATABASE_URL": self.database.url(f"strongroom_{role}"),
            "STRONGROOM_RPC_URLS": self.chain.url,
            "STRONGROOM_CHAIN_ID": str(self.chain.chain_id),
            "STRONGROOM_NATIVE_ASSET": self.coin,
            "STRONGROOM_SIGNER_SOCKET": str(self.socket),
            "STRONGROOM_REDIS_URL": "redis://127.0.0.1:1/0",
            "STRONGROOM_SCREENER_PUBLIC_KEY": (
                self.screener_key.public_key().public_bytes_raw().hex()
            ),
        }

    def ceremony(self, *words: str) -> dict[str, Any]:
        """A command of the key ceremony; its JSON."""
        done = subprocess.run(
            [executable("strongroom-signer"), "ceremony", *words, "--json"],
            env={**self.signer_environment(), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout)) if done.stdout.strip().startswith("{") else {}

    def founding(self) -> list[str]:
        """What `ceremony init` is told."""
        public = self.screener_key.public_key().public_bytes_raw().hex()
        words = ["--officer", self.cast.officer.address, "--officer-quorum", "1"]
        words += ["--screener-key", public, "--cooling-seconds", "0", "--loosening-seconds", "0"]
        return words

    def found(self) -> None:
        """Tokens, keys and seed."""
        self.ceremony("init", *self.founding())
        self.ceremony("new")

    def serve_signer(self) -> Program:
        environment = self.signer_environment()
        del environment["STRONGROOM_VAULT_PIN_FILES"]
        return Program(
            name="signer",
            argv=(executable("strongroom-signer"), "serve"),
            log=self.folder / "signer.log",
            environment=environment,
            ready=unix_socket_accepts(self.socket),
        )

    def deploy(self) -> None:
        """Platform contracts, gas money, and the test dollar."""
        key = self.folder / "deployer.key"
        key.write_text(DEPLOYER_KEY)
        config = Config.from_environment(self.environment("relay"))
        with mining(self.chain):
            deploy(config, key, fund_relay_wei=10**20, progress=lambda _: None)
        money = self.chain.accounts()[1]
        creation = json.loads(DOLLAR.read_text())["creation"]
        data = creation + encode(["address"], [money]).hex()
        self.dollar = str(self.send({"from": money, "data": data})["contractAddress"])
        self.money = money

    def send(self, transaction: dict[str, Any]) -> dict[str, Any]:
        """Send from an unlocked account, mine, and give the receipt."""
        sent = self.chain.rpc("eth_sendTransaction", {"gas": hex(3_000_000), **transaction})
        self.chain.mine()
        receipt = self.chain.rpc("eth_getTransactionReceipt", sent)
        assert isinstance(receipt, dict)
        assert receipt["status"] == "0x1"
        return receipt

    def units(self, holder: bytes | str) -> int:
        """Test dollars held, by the chain's own word."""
        address = holder if isinstance(holder, str) else "0x" + holder.hex()
        data = keccak(text="balanceOf(address)")[:4] + encode(["address"], [address])
        return int.from_bytes(self.node.call(bytes.fromhex(self.dollar[2:]), data), "big")

    def execute(self, text: str, *values: object) -> None:
        """Arrange something as a superuser."""
        with psycopg.connect(self.database.conninfo()) as connection:
            connection.execute(text.encode(), values)

    def query(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Look into the database as a superuser."""
        with psycopg.connect(self.database.conninfo()) as connection:
            return connection.execute(text.encode(), values).fetchall()


def executable(name: str) -> str:
    return str(Path(sys.executable).parent / name)


@contextmanager
def mining(chain: Chain, every_seconds: float = 0.05) -> Iterator[None]:
    """A chain that mines by itself for a while."""
    stop = threading.Event()

    def mine() -> None:
        while not stop.wait(every_seconds):
            chain.mine()

    thread = threading.Thread(target=mine, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

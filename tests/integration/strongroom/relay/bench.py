"""What the relay's tests work on: a real database, a real node, a signer behind the port."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from coincurve import PrivateKey

from strongroom.chain.errors import ChainError, NodeUnavailable
from strongroom.chain.node import Node
from strongroom.chain.rpc import Call
from strongroom.chain.types import FeeQuote
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit.ids import HOUSE
from strongroom.relay import service
from strongroom.relay.loop import RelayLoop
from strongroom.relay.rules import Pace
from strongroom.relay.types import AttemptKind, FeeCap, Fees, OutgoingView, Purpose, SignedAttempt
from strongroom.signing.errors import SignerRefused, SignerUnavailable
from strongroom_protocol.addresses import Address, address_of_public_key
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.signatures import Signature
from strongroom_protocol.transactions import Transaction1559
from tests.factories.house import ShiftedClock
from tests.factories.parts.anvil import Chain
from tests.factories.parts.postgres import TestDatabase

SINK = Address(bytes([0x51]) * 20)


class KeySigner:
    """An OutgoingSigner by one key in memory: owns the nonces, idempotent by (ref, attempt)."""

    def __init__(self, chain_id: int) -> None:
        self._key = PrivateKey(keccak256(b"relay test key"))
        self._chain_id = chain_id
        self._nonces: dict[bytes, int] = {}
        self._signed: dict[tuple[bytes, int], tuple[Fees, SignedAttempt]] = {}
        self._lock = threading.Lock()
        self.address = address_of_public_key(self._key.public_key.format(compressed=False))
        self.away = False
        self.refuse = ""
        self.refuse_ref = b""
        self.asked = 0
        self.dies_between = False
        "Between the nonce and the signature; and afterwards the payload may not be signed."
        self.before_answer: Callable[[], None] = lambda: None

    def sign(
        self, outgoing: OutgoingView, attempt: int, kind: AttemptKind, fees: Fees
    ) -> SignedAttempt:
        self.before_answer()
        with self._lock:
            self.asked += 1
            if self.away:
                time.sleep(0.01)
                raise SignerUnavailable("away for a test")
            if self.dies_between and kind == "payload":
                self._nonces.setdefault(outgoing.ref, len(self._nonces))
                raise SignerRefused("signer.evidence.expired", "over since")
            if self.refuse or outgoing.ref == self.refuse_ref:
                raise SignerRefused(self.refuse or "signer.any", "refused for a test")
            known = self._signed.get((outgoing.ref, attempt))
            if known is not None:
                assert known[0] == fees, "a retry must repeat the same body"
                return known[1]
            signed = self._sign(outgoing, kind, fees)
            self._signed[outgoing.ref, attempt] = (fees, signed)
            return signed

    def _sign(self, outgoing: OutgoingView, kind: AttemptKind, fees: Fees) -> SignedAttempt:
        nonce = self._nonces.setdefault(outgoing.ref, len(self._nonces))
        cancel = kind == "cancel"
        transaction = Transaction1559(
            chain_id=self._chain_id,
            nonce=nonce,
            max_priority_fee_per_gas=fees.max_priority_fee_per_gas_wei,
            max_fee_per_gas=fees.max_fee_per_gas_wei,
            gas=fees.gas,
            to=self.address if cancel else SINK,
            value=0 if cancel else 1,
            data=b"",
        )
        made = self._key.sign_recoverable(transaction.signing_hash(), hasher=None)
        signature = Signature.parse(made[:64] + bytes([made[64] + 27]))
        raw = transaction.signed_bytes(signature)
        return SignedAttempt(self.address, nonce, raw, keccak256(raw))


class ForgetfulNode:
    """A node that may be away, or take a transaction and answer as if it had not."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.away = False
        self.silent_after_accepting = False
        self.raws: list[bytes] = []

    @property
    def sent(self) -> int:
        return len(self.raws)

    def fees(self) -> FeeQuote:
        if self.away:
            raise NodeUnavailable("away for a test")
        return self._node.fees()

    def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        return self._node.ask_all(calls)

    def send_all(self, raws: Sequence[bytes]) -> list[bytes | ChainError]:
        if self.away:
            raise NodeUnavailable("away for a test")
        self.raws += raws
        sent = self._node.send_all(raws)
        if self.silent_after_accepting:
            raise NodeUnavailable("accepted, and then a time-out")
        return sent


@dataclass
class Bench:
    """A relay, its database and its chain."""

    database: Database
    test_database: TestDatabase
    chain: Chain
    node: Node
    clock: ShiftedClock
    pace: Pace = field(default_factory=lambda: Pace(rebroadcast_after_seconds=5))

    def __post_init__(self) -> None:
        self.signer = KeySigner(self.chain.chain_id)
        self.faulty = ForgetfulNode(self.node)
        self.loop = self.another_loop()
        money = self.chain.accounts()[0]
        to = "0x" + self.signer.address.hex()
        self.chain.rpc("eth_sendTransaction", {"from": money, "to": to, "value": hex(10**18)})
        self.chain.mine()

    def another_loop(self, private: ForgetfulNode | None = None) -> RelayLoop:
        return RelayLoop(
            self.database,
            self.signer,
            self.faulty,
            chain_id=self.chain.chain_id,
            pace=self.pace,
            private=private,
        )

    def enqueue(
        self,
        name: str,
        purpose: Purpose = "sweep",
        more: Mapping[str, Any] | None = None,
        cap: FeeCap = service.NO_CAP,
    ) -> UUID:
        payload = {"organisation": "0x" + "00" * 32, "items": [name], "delegate": []}
        payload |= more or {}
        with self.database.unit(HOUSE, system("test")) as uow:
            return service.enqueue(
                uow,
                HOUSE,
                purpose,
                keccak256(name.encode()),
                payload,
                chain_id=self.chain.chain_id,
                cap=cap,
            )

    def view(self, outgoing_id: UUID) -> OutgoingView:
        with self.database.read(None, system("test")) as uow:
            return service.get(uow, HOUSE, outgoing_id)

    def run(self) -> None:
        """Until nothing is due."""
        while self.loop.step():
            pass

    def later(self, seconds: int) -> None:
        self.clock.ahead_seconds += seconds
        self.run()

    def paid(self) -> int:
        """How many of the payments were mined: each moves one wei."""
        return self.node.balance(SINK)

    def attempts(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.test_database.conninfo()) as connection:
            return connection.execute(
                "SELECT attempt, kind, max_fee_per_gas_wei, max_priority_fee_per_gas_wei,"
                " raw IS NOT NULL, first_broadcast_at IS NOT NULL FROM outgoing_attempt"
                " ORDER BY outgoing_id, attempt"
            ).fetchall()

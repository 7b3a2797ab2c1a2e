"""P1, P4: nonsense, floods and silence at the real socket: refused, bounded, nobody else waits."""

import io
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from strongroom_protocol.addresses import checksum
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.vault_changes import Change
from strongroom_protocol.wire import HEADER_BYTES, body_length, frame, parse_body
from strongroom_signer.serve.dispatch import OPERATIONS, Dispatcher
from strongroom_signer.serve.server import Server
from tests.factories.parts.place import short_folder
from tests.integration.strongroom_signer.changes import step
from tests.integration.strongroom_signer.redteam import fuzz
from tests.integration.strongroom_signer.redteam.cases import batches
from tests.integration.strongroom_signer.redteam.cases.policies import logged, note
from tests.integration.strongroom_signer.redteam.stage import Scene, Stage, ask, permit, relay
from tests.integration.strongroom_signer.spending import (
    bump,
    cancelled,
    hot_address,
    hot_company,
    hot_intent,
    spend,
)
from tests.integration.strongroom_signer.test_fiat import ask_fiat, banked, order
from tests.integration.strongroom_signer.test_gas import fed, topup
from tests.integration.strongroom_signer.test_leaf_sweep import leaf_sweep
from tests.integration.strongroom_signer.test_relay import ask_for, sweep

SEED = 20_260_101
FRAMES, BENDS = 3_000, 800
REFUSALS_AN_HOUR = 40
STATUS, NONSENSE = ask("status", {}), ask("sign", {})


@dataclass
class Wire:
    """The attacker's side of the socket."""

    path: Path

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        connection.connect(str(self.path))
        return connection

    def send(self, data: bytes) -> dict[str, Any] | None:
        """The first answer to these bytes, after which nothing more is sent; None: hung up."""
        with self.connect() as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                return None
            return _answer(connection)


def _answer(connection: socket.socket) -> dict[str, Any] | None:
    header = _exactly(connection, HEADER_BYTES)
    return parse_body(_exactly(connection, body_length(header))) if header else None


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        try:
            part = connection.recv(length - len(data))
        except ConnectionResetError:
            return b""
        if not part:
            return b""
        data += part
    return data


@contextmanager
def attacked(stage: Stage, attacker: Callable[[Wire], None]) -> Iterator[Dispatcher]:
    """Serve in this thread, which owns token and journal, while the attacker works in another."""
    dispatcher = Dispatcher(stage.desk.house, io.StringIO(), REFUSALS_AN_HOUR)
    failures: list[BaseException] = []
    stop = threading.Event()
    with short_folder("sgx") as folder:
        wire = Wire(Path(folder) / "s.sock")
        server = Server(wire.path, frozenset({os.getuid()}), dispatcher)

        def attack() -> None:
            try:
                attacker(wire)
            except BaseException as failure:  # noqa: BLE001  (told in the test's own thread)
                failures.append(failure)
            finally:
                stop.set()

        thread = threading.Thread(target=attack)
        thread.start()
        server.run(stop)
        thread.join(20)
    if failures:
        raise failures[0]
    yield dispatcher


def lacking(it: Scene) -> list[dict[str, Any]]:
    """Requests of every kind that are honest but for one thing, so that no bend makes them pass."""
    company = it.company
    payment = company.payment(it.intent(), 0, company.approvers[:1])
    rejection = company.rejection(it.intent(), 1)
    first = it.desk.company(founded=False).policy_first()
    one = company.administrators[:1]
    cancelled_one = Change("cancel", change_hash=b"\x11" * 32)
    lonely = step(it.desk, company, cancelled_one, "now", nonce=2, signers=company.approvers[:1])
    manifest = first["manifest"]
    manifest |= {"officer_signatures": manifest["officer_signatures"][:1]}
    hot, bank = hot_company(it.desk), banked(it.desk)
    batch = batches.honest(it)
    first_paid, second_paid = batch["payments"]
    signatures, officers = {"signature": "0x" + "11" * 65}, first["officer_signatures"][:1]
    bodies = {
        "vault_permit": [payment, rejection | {"approvals": rejection["approvals"][:1]}],
        "vault_batch": [batch | {"payments": [first_paid, second_paid | {"approvals": []}]}],
        "vault_change": [lonely],
        "policy_first": [first | {"officer_signatures": officers}],
        "policy_update": [company.policy_update(company.next_bundle(), one)],
        "suspend": [{"organisation": company.reference, "version": 1} | signatures],
        "revoke": [{"organisation": company.reference, "key": hot_address(hot)} | signatures],
        "relay": [
            ask_for(company, "sweep", **sweep(company, cleared=0)),
            ask_for(company, "vault_execution", safe_tx_hash="0x" + "11" * 32, signatures=[]),
        ],
        "spending_payment": [spend(hot, hot_intent(hot), [])],
        "gas_topup": [topup(hot)],
        "leaf_sweep": [leaf_sweep(company, cleared=0)],
        "fiat_order": [ask_fiat(bank, order(bank), approvers=bank.approvers[:1])],
        "manifest_extend": [{"organisation": company.reference, "manifest": manifest}],
        "checkpoint": [note(logged(it) - 1)["body"]],
        "provenance": [{"organisation": "0x" + "11" * 32, "index": 0}],
        "release_sweep": [
            {"organisation": company.reference, "ref": "0x" + "11" * 32, "signatures": []}
            | {"account": company.account["addresses"][0], "token": checksum(company.token)}
        ],
    }
    assert set(bodies) == set(OPERATIONS) - {"status"}
    return [ask(op, body) for op, found in bodies.items() for body in found]


def test_three_thousand_broken_frames_are_refused_and_the_signer_serves_on(stage: Stage) -> None:
    random = Random(SEED)
    requests = lacking(stage.scene())
    used, before = stage.uses.count, stage.entries()
    honoured: list[bytes] = []

    def attacker(wire: Wire) -> None:
        for _ in range(FRAMES):
            request = random.choice(requests)
            data = fuzz.bent(random, request)
            if random.random() < 0.25:
                data = fuzz.broken(random, data)
            answer = wire.send(data)
            if answer is not None and answer["ok"]:
                honoured.append(data)
            elif answer is not None:
                assert answer["code"].startswith("signer."), answer
        assert (wire.send(frame(STATUS)) or {})["ok"]

    with attacked(stage, attacker) as dispatcher:
        refused = sum(n for (_, outcome), n in dispatcher.outcomes.items() if outcome == "refused")
    assert refused > FRAMES // 2
    harmless = (b'"op":"status"', b'"dry_run":true')
    assert all(any(mark in data for mark in harmless) for data in honoured), honoured
    assert (stage.uses.count, stage.entries()) == (used, before)


def honest(it: Scene) -> list[dict[str, Any]]:
    """Requests that would pass, so that a bend gets as far as their evidence does."""
    company = it.company
    hot, bank, fed_company = hot_company(it.desk), banked(it.desk), fed(it.desk)
    paid = spend(hot, hot_intent(hot))
    it.get("spending_payment", paid)
    later = company.policy_update(company.next_bundle(), company.administrators)
    return [
        permit(company.payment(it.intent(), 0)),
        permit(company.rejection(it.intent(), 3)),
        ask("spending_payment", spend(hot, hot_intent(hot))),
        ask("spending_payment", bump(paid)),
        ask("spending_payment", cancelled(paid)),
        ask("gas_topup", topup(fed_company)),
        ask("fiat_order", ask_fiat(bank, order(bank))),
        ask("policy_first", it.desk.company(founded=False).policy_first()),
        ask("policy_update", later),
        ask("provenance", {"organisation": company.reference, "index": 0}),
        relay(ask_for(company, "sweep", **sweep(company))),
        relay(it.executed(5)),
    ]


def test_bent_honest_requests_end_in_an_answer(stage: Stage) -> None:
    """Whatever is left of the evidence: a refusal with a code, and never the end of the process."""
    random = Random(SEED)
    requests = honest(stage.scene())
    refused = 0
    for _ in range(BENDS):
        data = fuzz.bent(random, random.choice(requests))
        with suppress(ProtocolError):
            answer = stage.desk.dispatcher.answer(parse_body(data[HEADER_BYTES:]))
            refused += not answer["ok"] and answer["code"].startswith("signer.")
    assert refused > BENDS // 2
    stage.desk.house.journal.verify_chain()


def test_frames_without_end_are_refused(stage: Stage) -> None:
    def attacker(wire: Wire) -> None:
        for data in (
            fuzz.deep(100), fuzz.deep(500_000), fuzz.framed(b'"' + b"a" * 900_000),
            fuzz.framed(b"[" + b"1," * 400_000), b"\xff" * 4, b"\x00" * 4, fuzz.framed(b"{}" * 99),
            fuzz.framed(b'{"op":"status","trace":"","body":{}}'),
        ):  # fmt: skip
            assert (wire.send(data) or {})["code"] == "signer.frame_malformed"
        assert wire.send(frame(STATUS)[:-1]) is None
        assert (wire.send(frame(STATUS)) or {})["ok"]

    with attacked(stage, attacker):
        pass


def test_a_flood_of_refusals_leaves_a_bounded_number_of_receipts(stage: Stage) -> None:
    size = stage.desk.house.journal.size

    def attacker(wire: Wire) -> None:
        with wire.connect() as connection:
            for _ in range(300):
                connection.sendall(frame(NONSENSE))
                assert (_answer(connection) or {})["code"] == "signer.operation_unknown"

    with attacked(stage, attacker):
        pass
    query = "SELECT count(*) FROM receipt WHERE seq > ? AND body LIKE '%operation_unknown%'"
    assert stage.desk.house.journal.all(query, size) == [(REFUSALS_AN_HOUR,)]


def test_a_peer_that_never_reads_keeps_nobody_waiting(stage: Stage) -> None:
    """P10: thousands of questions whose answers nobody takes; the relay's answer comes at once."""
    waited: list[float] = []

    def attacker(wire: Wire) -> None:
        with ExitStack() as silent:
            for _ in range(8):
                connection = silent.enter_context(wire.connect())
                connection.setblocking(False)
                with suppress(OSError):
                    while connection.send(frame(NONSENSE) * 200):
                        pass
            begun = time.monotonic()
            assert (wire.send(frame(STATUS)) or {})["ok"]
            waited.append(time.monotonic() - begun)

    with attacked(stage, attacker):
        pass
    assert waited[0] < 3.0


def test_large_frames_of_many_peers_keep_nobody_waiting(stage: Stage) -> None:
    """P10: a mebibyte of nothing costs long to read, and one user may have many connections."""
    before: list[socket.socket] = []
    large = fuzz.framed(b'{"op":' + b"[" + b"[]," * 340_000 + b"[]]}")

    def attacker(wire: Wire) -> None:
        with ExitStack() as stack:
            peers = [stack.enter_context(wire.connect()) for _ in range(12)]
            for connection in peers:
                connection.sendall(large[:-1])
            for connection in peers:
                connection.sendall(large[-1:])
            assert (wire.send(frame(STATUS)) or {})["ok"]
            before.extend(select.select(peers, [], [], 0)[0])

    with attacked(stage, attacker):
        pass
    assert len(before) <= 4, "the honest question waited for more than a few large ones"


def test_peers_that_say_nothing_keep_nobody_out(stage: Stage) -> None:
    def attacker(wire: Wire) -> None:
        with ExitStack() as quiet:
            for _ in range(30):
                quiet.enter_context(wire.connect()).sendall(frame(STATUS)[:7])
            assert (wire.send(frame(STATUS)) or {})["ok"]

    with attacked(stage, attacker):
        pass


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_request_in_pieces_is_the_same_request(stage: Stage, pieces: int) -> None:
    def attacker(wire: Wire) -> None:
        data = frame(STATUS)
        with wire.connect() as connection:
            for begin in range(0, len(data), pieces):
                connection.sendall(data[begin : begin + pieces])
            assert (_answer(connection) or {})["ok"]

    with attacked(stage, attacker):
        pass


def vast(it: Scene) -> dict[str, Any]:
    """A policy that nobody signed, of thousands of people and requirements."""
    bundle = it.company.next_bundle()
    nobody = {"name": "n", "address": None, "roles": ["auditor"], "department": None}
    people = [nobody | {"id": f"z{number}"} for number in range(5_000)]
    path = [{"role": "approver", "department": None, "minimum": 1}] * 2
    rule = {"verdict": "approvals", "when": {}, "approvals": [path] * 8}
    rules = [rule | {"id": f"r{number}"} for number in range(500)]
    return bundle | {"people": [*bundle["people"], *people], "rules": rules}


def test_a_policy_of_thousands_of_people_costs_little_before_anybody_signed(stage: Stage) -> None:
    request = ask("policy_update", {"bundle": vast(stage.scene()), "signatures": []})
    begun = time.process_time()
    stage.strike(request, "bundle_signatures_missing")
    assert time.process_time() - begun < 2.0

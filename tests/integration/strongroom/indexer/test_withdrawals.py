"""Withdrawals from the beacon chain are deposits like others. Anvil has no beacon chain: a program
between puts withdrawals into its blocks, and names all blocks and what is in them anew.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import pytest

from strongroom.chain import headers
from strongroom.chain.answers import HeaderAnswer
from strongroom.chain.tries import BlockTrie
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.rlp import encode
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, Stage

GWEI = 10**9


@dataclass
class Beacon:
    """A node's answers, with withdrawals by height: lists of (recipient, gwei)."""

    stage: Stage
    planned: dict[int, list[tuple[bytes, int]]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def answer(self, body: bytes) -> bytes:
        """Ask the node in its own names; give ours."""
        self._name_blocks()
        text = body.decode()
        for theirs, ours in self.names.items():
            text = text.replace(ours, theirs)
        found = json.loads(self._ask(text.encode()))
        for one in found:
            if isinstance(one.get("result"), dict) and "parentHash" in one["result"]:
                self._add(one["result"])
        text = json.dumps(found)
        for theirs, ours in self.names.items():
            text = text.replace(theirs, ours)
        return text.encode()

    def _name_blocks(self) -> None:
        """A block with withdrawals has another hash, and so has every block after it."""
        self.names.clear()
        for height in range(self.stage.chain.height() + 1):
            block: Any = self.stage.chain.rpc("eth_getBlockByNumber", hex(height), False)
            theirs = block["hash"]
            self._add(block)
            block["parentHash"] = self.names.get(block["parentHash"], block["parentHash"])
            read = msgspec.convert(block, HeaderAnswer)
            self.names[theirs] = "0x" + keccak256(encode(headers._fields(read))).hex()

    def _add(self, block: dict[str, Any]) -> None:
        planned = self.planned.get(int(block["number"], 16))
        if planned is None:
            return
        block["withdrawals"] = [
            {
                "index": hex(index),
                "validatorIndex": hex(7),
                "address": "0x" + address.hex(),
                "amount": hex(gwei),
            }
            for index, (address, gwei) in enumerate(planned)
        ]
        items = [encode([index, 7, to, gwei]) for index, (to, gwei) in enumerate(planned)]
        block["withdrawalsRoot"] = "0x" + BlockTrie(items).root.hex()

    def _ask(self, body: bytes) -> bytes:
        request = Request(self.stage.chain.url, body, {"content-type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            return bytes(answer.read())


@pytest.fixture
def beacon(stage: Stage) -> Iterator[Beacon]:
    """The node behind the program."""
    made = Beacon(stage)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = made.answer(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("with_others", [True, False], ids=["among others", "alone in its block"])
@pytest.mark.parametrize("ahead", [0, 60], ids=["at the head", "catching up"])
def test_a_withdrawal_is_booked_once(beacon: Beacon, with_others: bool, ahead: int):
    stage = beacon.stage
    if with_others:
        stage.send(ADDRESS, 5)
    height = stage.chain.height() + 1
    beacon.planned[height] = [(b"\x77" * 20, 3), (ADDRESS, 32), (ADDRESS, 2)]
    stage.chain.rpc("anvil_setBalance", "0x" + ADDRESS.hex(), hex(34 * GWEI))
    stage.chain.mine()
    stage.chain.mine(ahead or 4)
    stage.catch_up(stage.follower(urls=[beacon.url]))
    total = 34 * GWEI + (5 if with_others else 0)
    assert stage.balances() == {
        f"{stage.custody()} {ETH}": total,
        f"{SUSPENSE} {ETH}": total,
    }
    rows = stage.rows("SELECT * FROM deposit WHERE kind = 'withdrawal' ORDER BY position")
    assert [(row["position"], row["units"]) for row in rows] == [(-3, 2 * GWEI), (-2, 32 * GWEI)]
    assert {row["payer"] for row in rows} == {bytes(20)}
    assert {row["chain_state"] for row in rows} == {"finalized"}
    stage.assert_sound()


def test_a_withdrawal_that_a_fork_drops_is_reversed(beacon: Beacon):
    stage = beacon.stage
    follower = stage.follower(urls=[beacon.url])
    beacon.planned[stage.chain.height() + 1] = [(ADDRESS, 32)]
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 32 * GWEI
    beacon.planned.clear()
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.balances() == {}
    (deposit,) = stage.rows("SELECT chain_state, disposition FROM deposit")
    assert deposit == {"chain_state": "orphaned", "disposition": "reversed"}
    stage.assert_sound()

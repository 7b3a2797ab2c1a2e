"""A chain to read: blocks of 60 ERC-20 payments each; 1 % of them ours, 5 % of blocks touched."""

import hashlib
import json
import random
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benches.report import ROOT
from strongroom.cli.dev.anvil import anvil_program, node_url
from strongroom.cli.dev.ports import free_base
from strongroom.cli.dev.program import Program, running

SEED = 20_261_122
TRANSFERS = 60
TOUCHED_EVERY = 20
OURS = 12
"""Of the 60 payments of a touched block: 12 of 1,200 are one percent."""
STRANGERS = [hashlib.sha256(f"stranger:{n}".encode()).digest()[:20] for n in range(500)]
MINT = "0x40c10f19"
TRANSFER = "0xa9059cbb"
FOLDER = Path(tempfile.gettempdir()) / "strongroom-bench-indexer"


@dataclass(frozen=True)
class ChainFile:
    """A chain that was made before: Anvil's own dump, and what is in it."""

    state: Path
    token: bytes
    first: int
    last: int

    @property
    def logs(self) -> int:
        """Transfers between first and last."""
        return (self.last - self.first + 1) * TRANSFERS


class Node:
    """An Anvil that mines only when told to."""

    def __init__(self, port: int) -> None:
        self.url = node_url(port)
        self._client = httpx.Client(base_url=self.url, trust_env=False, timeout=120)

    def rpc(self, method: str, *params: object) -> Any:
        """One call; raises ValueError with the node's error."""
        return self.batch([(method, params)])[0]

    def batch(self, calls: list[tuple[str, tuple[object, ...]]]) -> list[Any]:
        """Many calls of one request."""
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        answers = self._client.post("/", json=body).json()
        for answer in answers:
            if "error" in answer:
                raise ValueError(answer["error"])
        return [answer["result"] for answer in sorted(answers, key=lambda answer: answer["id"])]


class Payers:
    """The ten unlocked accounts, each with its nonce, paying in the dollar."""

    def __init__(self, node: Node, token: str) -> None:
        self._node = node
        self._token = token
        self._nonces = {
            account: int(node.rpc("eth_getTransactionCount", account, "latest"), 16)
            for account in node.rpc("eth_accounts")
        }
        self._accounts = list(self._nonces)

    def fund(self) -> None:
        """The owner mints for everybody."""
        for account in self._accounts:
            self._node.batch([self._call(0, MINT, bytes.fromhex(account[2:]), 10**18)])
        self._node.rpc("evm_mine")

    def block(self, recipients: list[bytes], units: list[int]) -> None:
        """Mine one block of one payment a recipient."""
        paid = zip(recipients, units, strict=True)
        calls = [self._call(at, TRANSFER, to, some) for at, (to, some) in enumerate(paid)]
        self._node.batch(calls)
        self._node.rpc("evm_mine")

    def _call(self, at: int, what: str, to: bytes, units: int) -> tuple[str, tuple[object, ...]]:
        payer = self._accounts[at % len(self._accounts)]
        nonce, self._nonces[payer] = self._nonces[payer], self._nonces[payer] + 1
        words = to.rjust(32, b"\0").hex() + units.to_bytes(32, "big").hex()
        sent = {"from": payer, "to": self._token, "data": what + words, "gas": "0x186a0"}
        return "eth_sendTransaction", ({**sent, "gasPrice": "0x0", "nonce": hex(nonce)},)


def watched_address(number: int) -> bytes:
    """The address of that number among the million."""
    return hashlib.sha256(f"{SEED}:{number}".encode()).digest()[:20]


def recipients(
    height: int, watched: int, chance: random.Random, *, every: int = TOUCHED_EVERY
) -> list[bytes]:
    """Whom the payments of a block go to: strangers, and 12 of ours in each twentieth block."""
    found = [chance.choice(STRANGERS) for _ in range(TRANSFERS)]
    if height % every == 0:
        for at in chance.sample(range(TRANSFERS), OURS):
            found[at] = watched_address(chance.randrange(watched))
    return found


@contextmanager
def node(
    log: Path, *, state: Path | None, dump: Path | None = None, epoch: int = 1
) -> Iterator[Node]:
    """Run an Anvil of its own. `epoch`: slots in one; a large one makes nothing final."""
    port = free_base(21_000)
    program = anvil_program(ROOT, log, port, block_seconds=None, kept_states=4)
    argv = list(program.argv)
    argv[argv.index("--slots-in-an-epoch") + 1] = str(epoch)
    argv += ["--order", "fifo", "--gas-limit", "60000000", "--base-fee", "0", "--gas-price", "0"]
    argv += ["--silent"]
    argv += [] if state is None else ["--load-state", str(state)]
    argv += [] if dump is None else ["--dump-state", str(dump)]
    with running(
        Program(
            name="anvil",
            argv=tuple(argv),
            log=log,
            ready=program.ready,
            stop_signal=signal.SIGINT,
            port=port,
        )
    ):
        yield Node(port)


def prepare(blocks: int, watched: int) -> ChainFile:
    """The chain of so many blocks; made once, about 25 ms a block, then read from its file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    name = f"{SEED}-{blocks}-{watched}"
    state, facts = FOLDER / f"{name}.state.json", FOLDER / f"{name}.json"
    if not facts.exists():
        with node(FOLDER / f"{name}.log", state=None, dump=state) as made:
            facts_found = _make(made, blocks, watched)
        facts.write_text(json.dumps(facts_found))
    found = json.loads(facts.read_text())
    return ChainFile(state, bytes.fromhex(found["token"]), found["first"], found["last"])


def _make(made: Node, blocks: int, watched: int) -> dict[str, object]:
    artifact = json.loads((ROOT / "scripts/first_day/test_dollar.json").read_text())
    owner = str(made.rpc("eth_accounts")[0])
    code = "0x" + artifact["creation"].removeprefix("0x") + owner[2:].rjust(64, "0")
    sent = made.rpc("eth_sendTransaction", {"from": owner, "data": code, "gas": "0x4c4b40"})
    made.rpc("evm_mine")
    token = str(made.rpc("eth_getTransactionReceipt", sent)["contractAddress"])
    payers, chance = Payers(made, token), random.Random(SEED)
    payers.fund()
    first = int(made.rpc("eth_blockNumber"), 16) + 1
    for height in range(first, first + blocks):
        units = [chance.randrange(1, 10**6) for _ in range(TRANSFERS)]
        payers.block(recipients(height, watched, chance), units)
    made.rpc("anvil_mine", "0x2")
    return {"token": token[2:], "first": first, "last": first + blocks - 1}

"""The chain changes its mind: blocks replaced with their transactions kept, late or forgotten."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from strongroom.cli.dev.anvil import anvil_program
from strongroom.cli.dev.program import running
from tests.factories.parts.anvil import Chain
from tests.factories.parts.place import REPOSITORY
from tests.simulation.world import World

KEPT, LATE, LOST = "kept", "late", "lost"
OTHER_FORK = 1


def reorganise(world: World, depth: int, fate: int) -> None:
    """Replace the newest blocks, none of them final. Each transaction's fate is drawn in order."""
    chain, draw = world.chain, random.Random(fate)
    head = chain.height()
    pairs: list[list[Any]] = []
    late: list[str] = []
    stopped: dict[str, str] = {}
    for offset, height in enumerate(range(head - depth + 1, head + 1)):
        block: Any = chain.rpc("eth_getBlockByNumber", hex(height), True)
        for sent in block["transactions"]:
            raw = str(chain.rpc("eth_getRawTransactionByHash", sent["hash"]))
            fate_drawn = draw.choice((KEPT, KEPT, LATE, LOST))
            # What follows a lost transaction of the same key can't stand before it.
            now = stopped.get(sent["from"]) or fate_drawn
            if now == KEPT:
                pairs.append([raw, offset])
                continue
            stopped[sent["from"]] = LOST if now == LOST else LATE
            if now == LATE:
                late.append(raw)
    chain.rpc("anvil_reorg", depth, pairs)
    for raw in late:
        _offer(chain, raw)
    chain.mine()


def _offer(chain: Chain, raw: str) -> None:
    """Back into the pool; what a new transaction has replaced meanwhile is refused."""
    try:
        chain.rpc("eth_sendRawTransaction", raw)
    except ValueError:
        return


@contextmanager
def another_fork(world: World, blocks: int) -> Iterator[int]:
    """A second node that left the chain at the head and went on by itself; gives its upstream."""
    head = world.chain.height()
    log = world.folder / "fork.log"
    program = anvil_program(REPOSITORY, log, world.fork_port, block_seconds=None, kept_states=None)
    words = ("--fork-url", world.chain.url, "--fork-block-number", str(head))
    forked = replace(program, argv=(*program.argv, *words), ready=lambda: _answers(world.fork_port))
    with running(forked):
        other = Chain(world.fork_port, world.chain.chain_id)
        payer = world.chain.accounts()[1]
        for number in range(blocks):
            to = "0x" + world.deposits[number % len(world.deposits)].hex()
            sent = {"from": payer, "to": to, "value": hex(7), "gas": hex(50_000)}
            other.rpc("eth_sendTransaction", sent)
            other.mine()
        yield OTHER_FORK


def _answers(port: int) -> bool:
    try:
        return Chain(port).height() >= 0
    except (OSError, ValueError):
        return False

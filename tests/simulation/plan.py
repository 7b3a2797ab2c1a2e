"""What happens under one seed: operations, faults and kills, chosen before anything runs. Pure.

The same seed gives the same plan; `steps` cuts it short, so that a failure can be made smaller.
When the processes get to which line is not in it: that is the machine's to decide.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

STEPS: Final = 26
ASSETS: Final = ("coin", "coin", "token", "token", "inside", "phantom", "strange")
"""How money comes in: the coin, the listed token, the coin by a contract's call, by a call that
reverts inside a transaction that succeeds, and a token that nobody listed."""
WALLETS: Final = ("hot", "hot", "hot", "vault")
PLACES: Final = ("deposit", "deposit", "deposit", "deposit", "hot", "vault")
PAYERS: Final = 4
INDEXER_POINTS: Final = (
    "indexer.block.before", "indexer.block.after", "indexer.unwind.after",
    "indexer.finalize.after", "commit.before", "commit.after",
)  # fmt: skip
RELAY_POINTS: Final = (
    "withdrawal.after_claim", "withdrawal.after_bind", "withdrawal.after_permit",
    "withdrawal.after_store", "relay.after_claim", "relay.after_sign", "relay.after_store",
    "relay.after_broadcast", "commit.before", "commit.after", "log.sequenced",
)  # fmt: skip
OFFICE_POINTS: Final = (
    "worker.handled", "outbox.claimed", "screener.claimed", "commit.before", "commit.after",
)  # fmt: skip
SIGNER_POINTS: Final = ("sign.before_journal", "sign.after_journal", "sign.after_sign")
BOOKED: Final = 0.5
SEEN_MS: Final = 150
AT_WORK: Final = 0.7
POINTS: Final = {"indexer": INDEXER_POINTS, "relay": RELAY_POINTS, "office": OFFICE_POINTS}
NODE_FAULTS: Final[tuple[tuple[str, float], ...]] = (
    ("delay", 0.5), ("refuse", 0.2), ("drop", 0.2), ("drop_after", 0.3), ("duplicate", 0.5),
    ("truncate", 0.2), ("garbage", 0.2), ("lose", 0.2), ("reorder", 0.9), ("null", 0.2),
    ("error", 0.2), ("lag_blocks", 1), ("lag_blocks", 2), ("lag_blocks", 4), ("range_max", 3),
    ("result_max", 1), ("batch_max", 2), ("dead", 1),
)  # fmt: skip
PATIENCE_MS: Final = 180
PASSES: Final = (1, 2, 3)
COMMITS: Final = (1, 2, 3, 5, 8, 13, 21, 34)
"""A process commits often, and mostly nothing: it dies at one of these."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a plan: what, with which values, and the pause after it in milliseconds."""

    kind: str
    values: dict[str, Any] = field(default_factory=dict)
    pause_ms: int = 0

    def __str__(self) -> str:
        """As it is printed when a seed fails."""
        words = " ".join(f"{name}={value}" for name, value in self.values.items())
        return f"{self.kind} {words}".rstrip()


@dataclass(frozen=True, slots=True)
class Plan:
    """A seed's whole course."""

    seed: int
    witnesses: int
    """Nodes that must agree before the indexer believes a block: 1 of 1, or 2 of 2."""
    relays: int
    """Relay processes: one leads, the others stand by."""
    workers: int
    """Threads beside the leader that work on the same queues, 0 or 32 (P4)."""
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        """Its frame, in words."""
        return (
            f"nodes that must agree: {self.witnesses}; relays: {self.relays}; "
            f"workers beside them: {self.workers}"
        )


def make_plan(seed: int, steps: int = STEPS) -> Plan:
    """The plan of a seed, at most `steps` lines long."""
    draw = random.Random(seed)
    witnesses = draw.choice((1, 1, 2))
    relays = draw.choice((1, 2))
    workers = draw.choice((0, 0, 0, 32))
    kinds, weights = zip(*((kind, weight) for kind, (weight, _) in STEP_KINDS.items()), strict=True)
    drawn = [_step(draw, kind) for kind in draw.choices(kinds, weights, k=STEPS)]
    return Plan(seed, witnesses, relays, workers, tuple(drawn[:steps]))


def _step(draw: random.Random, kind: str) -> Step:
    values = STEP_KINDS[kind][1](draw)
    return Step(kind, values, draw.randrange(PATIENCE_MS))


def _deposits(draw: random.Random) -> dict[str, Any]:
    """`payments`: (how, to, index of the deposit address, payer, units), some at once."""
    payments = [
        (
            draw.choice(ASSETS),
            draw.choice(PLACES),
            draw.randrange(4),
            draw.randrange(PAYERS),
            draw.randrange(1, 10**9),
        )
        for _ in range(draw.choice((1, 1, 2, 4)))
    ]
    return {"payments": payments}


def _orders(draw: random.Random) -> dict[str, Any]:
    """`orders`: (wallet, asset, units), some at once."""
    orders = [
        (draw.choice(WALLETS), draw.choice(("coin", "token")), draw.randrange(1, 2_000_000))
        for _ in range(draw.choice((1, 1, 2, 3)))
    ]
    return {"orders": orders}


def _batch(draw: random.Random) -> dict[str, Any]:
    """`orders` of the vault, to be one transaction."""
    count = draw.choice((2, 3))
    return {
        "orders": [("vault", draw.choice(("coin", "token")), draw.randrange(1, 2_000_000))
                   for _ in range(count)]
    }  # fmt: skip


def _reorg(draw: random.Random) -> dict[str, Any]:
    """`fate` decides, transaction by transaction: stays, comes a block later, or is forgotten; the
    block that leaves was booked before, or has stood for `seen_ms` and may be booked or not.
    """
    return {
        "depth": draw.choice((1, 1, 2)),
        "booked": draw.random() < BOOKED,
        "seen_ms": draw.randrange(SEEN_MS),
        "fate": draw.getrandbits(32),
    }


def _kill(draw: random.Random) -> dict[str, Any]:
    """`at_work`: as soon as it is seen to have something in its hands; else whatever it does."""
    role = draw.choice(("indexer", "relay", "relay", *["office"] * 3, "crew"))
    return {"role": role, "at_work": draw.random() < AT_WORK}


def _crash(draw: random.Random) -> dict[str, Any]:
    role = draw.choice(("indexer", "relay", "relay", "office", "office"))
    point = draw.choice(POINTS[role])
    return {"role": role, "at": f"{point}:{draw.choice(COMMITS if 'commit' in point else PASSES)}"}


def _signer(draw: random.Random) -> dict[str, Any]:
    return {"at": f"{draw.choice(SIGNER_POINTS)}:{draw.randrange(1, 3)}"}


def _faults(draw: random.Random) -> dict[str, Any]:
    kind, most = draw.choice(NODE_FAULTS)
    return {"of": draw.choice(("indexer", "indexer", "witness", "relay", "twin")), kind: most}


def _twin(draw: random.Random) -> dict[str, Any]:
    """Its node is its own: slower than the other indexer's, behind it, or as good."""
    return {"delay": draw.choice((0, 0.9)), "lag_blocks": draw.choice((0, 0, 1, 2))}


def _spike(draw: random.Random) -> dict[str, Any]:
    return {"gwei": draw.choice((20, 90, 400))}


def _fork(draw: random.Random) -> dict[str, Any]:
    return {"blocks": draw.choice((1, 2)), "pause_ms": draw.randrange(100, 400)}


def _which(draw: random.Random) -> dict[str, Any]:
    return {"nth": draw.randrange(8)}


def _role(draw: random.Random) -> dict[str, Any]:
    role = draw.choice(("indexer", "relay", "worker", "screener"))
    return {"role": role, "at_work": draw.random() < AT_WORK}


def _blocks(draw: random.Random) -> dict[str, Any]:
    return {"blocks": draw.choice((1, 1, 1, 2, 3))}


def _nothing(_: random.Random) -> dict[str, Any]:
    return {}


STEP_KINDS: Final[dict[str, tuple[int, Callable[[random.Random], dict[str, Any]]]]] = {
    "deposit": (24, _deposits),
    "order": (16, _orders),
    "batch": (3, _batch),
    "cancel": (5, _which),
    "mine": (20, _blocks),
    "reorg": (12, _reorg),
    "kill": (9, _kill),
    "crash": (9, _crash),
    "signer": (2, _signer),
    "faults": (9, _faults),
    "honest": (3, _nothing),
    "forget": (3, _nothing),
    "spike": (3, _spike),
    "disconnect": (4, _role),
    "later": (5, _nothing),
    "twin": (4, _twin),
    "fork": (2, _fork),
}
"""What may happen, how often in relation, and with which values.

deposit: somebody pays one of ours · order: a payment is ordered · batch: some of the vault's are
put together · cancel · mine · reorg · kill: a process, by SIGKILL · crash: a process is replaced by
one that dies at a named point · signer: the same of the signer · faults: a node begins to fail ·
honest: all nodes are well again · forget: the node's pool is emptied · spike: the base fee rises ·
disconnect: PostgreSQL ends a role's sessions · later: every lease and pause is over · twin: a
second indexer that believes to lead · fork: the indexer's node is on another fork for a while.
"""

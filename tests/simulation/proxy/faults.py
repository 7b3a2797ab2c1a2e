"""What goes wrong between us and a node, how often, and the seed that decides it.

Pure: a plan draws one decision a request; the same seed and the same order of requests give the
same faults.
"""

import random
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

MILLISECONDS = 1_000


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of requests (0 to 1), except where a unit is named. All zero = an honest node."""

    delay: float = 0.0
    """Held back for up to `delay_ms` before it is passed on."""
    delay_ms: int = 200
    refuse: float = 0.0
    """HTTP 429, as a provider that was asked too often."""
    drop: float = 0.0
    """The connection ends before the request is passed on."""
    drop_after: float = 0.0
    """The node does as asked, and the connection ends instead of an answer."""
    duplicate: float = 0.0
    """The request reaches the node twice; the second answer is given."""
    truncate: float = 0.0
    """Half of the answer's bytes."""
    garbage: float = 0.0
    """HTTP 200 with a page of HTML, as a load balancer that is ill."""
    lose: float = 0.0
    """One answer of a batch is missing."""
    reorder: float = 0.0
    """The answers of a batch in another order."""
    null: float = 0.0
    """One answer is null, as a node that does not have it yet."""
    error: float = 0.0
    """One answer is -32603 with some other error's text inside."""
    edit: float = 0.0
    """An amount in a log, a receipt or a trace is changed."""
    lag_blocks: int = 0
    """The head, and what is tagged safe and finalized, are so many blocks old."""
    range_max: int = 0
    """Blocks in one eth_getLogs; 0 = no cap."""
    result_max: int = 0
    """Logs in one answer of eth_getLogs; 0 = no cap."""
    batch_max: int = 0
    """Calls in one batch; 0 = no cap."""
    no_overrides: bool = False
    """An eth_call with a state override is refused, as by a node that knows none."""
    dead: bool = False
    """Nothing is answered at all."""

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """From JSON; raises ValueError that names what is unknown."""
        unknown = set(document) - {one.name for one in fields(cls)}
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        return cls(**document)

    def with_(self, **changed: Any) -> Self:
        """The same, but for these."""
        return replace(self, **changed)


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one request."""

    wait_seconds: float
    kinds: frozenset[str]
    seed: int
    """Decides the details, such as which answer of a batch is lost."""

    def __contains__(self, kind: str) -> bool:
        """Whether this fault strikes."""
        return kind in self.kinds

    def random(self) -> random.Random:
        """For the details."""
        return random.Random(self.seed)


KINDS = (
    "refuse", "drop", "drop_after", "duplicate", "truncate", "garbage",
    "lose", "reorder", "null", "error", "edit",
)  # fmt: skip


@dataclass(slots=True)
class Plan:
    """Draws a decision a request, and counts what struck."""

    seed: int
    faults: Faults = field(default_factory=Faults)
    counts: dict[str, int] = field(default_factory=dict)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Begin at the seed."""
        self._random = random.Random(self.seed)

    def decide(self) -> Decision:
        """The next request's. Each fault is drawn, so that one rate does not shift another's."""
        draws = {kind: self._random.random() for kind in ("delay", *KINDS)}
        wait, seed = self._random.random(), self._random.getrandbits(64)
        struck = frozenset(kind for kind in KINDS if draws[kind] < getattr(self.faults, kind))
        late = draws["delay"] < self.faults.delay
        for kind in struck | ({"delay"} if late else set()):
            self.count(kind)
        seconds = wait * self.faults.delay_ms / MILLISECONDS if late else 0.0
        return Decision(seconds, struck, seed)

    def count(self, kind: str) -> None:
        """One more of this fault."""
        self.counts[kind] = self.counts.get(kind, 0) + 1

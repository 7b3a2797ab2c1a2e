"""What is known about one payment when it is judged. Facts come from signatures and from the
judge's own counters; time is one of them.
"""

from dataclasses import dataclass
from typing import Protocol

from strongroom_protocol.addresses import Address
from strongroom_protocol.rules import Over, Screening


@dataclass(frozen=True, slots=True)
class Used:
    """What was paid within a window before this payment: units of its asset; minor units of the
    bundle's rates, None = not known; how many payments.
    """

    units: int = 0
    value_units: int | None = 0
    count: int = 0


class History(Protocol):
    """The judge's own memory of what was permitted before."""

    def used(self, over: Over, facts: "Facts") -> Used:
        """What was paid in the window of `over`, by buckets (`windows`), of the same organisation,
        initiator, source or destination as `facts` say; `units` count this asset alone.
        """
        ...


class NoHistory:
    """Of an organisation that never paid."""

    def used(self, over: Over, facts: "Facts") -> Used:  # noqa: ARG002  (the protocol's form)
        """Nothing."""
        return Used()


NO_HISTORY = NoHistory()


@dataclass(frozen=True, slots=True)
class Facts:
    """One payment. `spent_units`: paid in this asset in the day before `now` (Unix seconds).

    `initiator` and `approvers` are ids of the bundle's people. `wallet` is the spending key that
    pays, None = the vault; `wallet_spent_units` is what that key alone paid in the day before.
    `vault` is the organisation's own; `value_units` in minor units of the bundle's rates, None =
    not known: no two fresh rates agree.
    """

    initiator: str
    asset: str
    units: int
    destination: Address
    now: int
    spent_units: int = 0
    approvers: frozenset[str] = frozenset()
    wallet: Address | None = None
    wallet_spent_units: int = 0
    vault: Address | None = None
    screening: Screening = "clear"
    value_units: int | None = None
    history: History = NO_HISTORY

"""What each enforcer must say, written once more from the specification: the history that the rules
are given, and the guard as its configuration in the signed bundle makes it. Shares no line with the
signer's counters or the contracts.
"""

from dataclasses import dataclass, field

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.facts import Facts, Used
from strongroom_protocol.rules import Over

THREE_HOURS = 10_800
DAY_BUCKETS = 8


@dataclass(frozen=True)
class Paid:
    """One payment as it was permitted, or mined, at `at` (Unix seconds)."""

    at: int
    asset: str
    units: int
    initiator: str
    wallet: Address
    destination: Address
    value_units: int | None


@dataclass
class PaidBefore:
    """Everything that was permitted; as a `policy.History` it is what the rules are given."""

    vault: Address
    payments: list[Paid] = field(default_factory=list)

    def day_units(self, asset: str, now: int, wallet: Address | None = None) -> int:
        """Of the current bucket and the eight before; by that wallet, or by all."""
        return sum(
            one.units
            for one in self._since(now, DAY_BUCKETS)
            if one.asset == asset and wallet in (None, one.wallet)
        )

    def used(self, over: Over, facts: Facts) -> Used:
        """As the protocol of `History` says."""
        rows = [
            one
            for one in self._since(facts.now, over.window_seconds // THREE_HOURS)
            if self._is_whose(over.per, one, facts)
        ]
        worth = [one.value_units for one in rows]
        known = [value for value in worth if value is not None]
        return Used(
            units=sum(one.units for one in rows if one.asset == facts.asset),
            value_units=sum(known) if len(known) == len(worth) else None,
            count=len(rows),
        )

    def _since(self, now: int, buckets: int) -> list[Paid]:
        oldest = now // THREE_HOURS - buckets
        return [one for one in self.payments if one.at // THREE_HOURS >= oldest]

    def _is_whose(self, per: str, one: Paid, facts: Facts) -> bool:
        whose: dict[str, bool] = {
            "organisation": True,
            "initiator": one.initiator == facts.initiator,
            "source": one.wallet == (facts.wallet or self.vault),
            "destination": one.destination == facts.destination,
        }
        return whose[per]


@dataclass
class GuardModel:
    """The guard of one vault: what it was configured with, and what was mined through it."""

    day_units: dict[Address, int]
    usable_from: dict[Address, int]
    mined: list[tuple[int, Address, int]] = field(default_factory=list)

    @classmethod
    def founded(cls, bundle: Bundle, now: int) -> "GuardModel":
        """As the first bundle says: limits of all tokens, the address book at once."""
        limits = zip(bundle.tokens, bundle.limits, strict=True)
        return cls(
            {token.contract or ZERO: limit.per_day_units for token, limit in limits},
            dict.fromkeys(bundle.vault.destinations, now),
        )

    def spent(self, token: Address, now: int) -> int:
        """Of the current bucket and the eight before."""
        oldest = now // THREE_HOURS - DAY_BUCKETS
        return sum(
            units for at, of, units in self.mined if of == token and at // THREE_HOURS >= oldest
        )

    def refusal(self, token: Address, to: Address, units: int, now: int) -> str | None:
        """The guard's error for this payment, or None."""
        if token not in self.day_units and token != ZERO:
            return "PermitGuard_ChangeNotAnnounced"
        if to not in self.usable_from:
            return "PermitGuard_DestinationUnknown"
        if now < self.usable_from[to]:
            return "PermitGuard_DestinationCooling"
        if token not in self.day_units:
            return "PermitGuard_AssetNotListed"
        if units + self.spent(token, now) > self.day_units[token]:
            return "PermitGuard_LimitExceeded"
        return None

    def is_right_for(self, bundle: Bundle, token: Address, to: Address, now: int) -> bool:
        """Whether the chain has what the bundle says of this payment's place and asset."""
        wanted = {(one.token or ZERO): one.day_units for one in bundle.guard_limits}
        known = to in self.usable_from and self.usable_from[to] <= now
        return known and token in wanted and self.day_units.get(token, 0) >= wanted[token]

"""What a deposit must have before it is credited: all rules that fit it, taken together. Pure.

The strictest of everything counts, so a larger amount never waits less, and what an organisation
says can never be weaker than what the house says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from strongroom.kit.ids import HOUSE
from strongroom_protocol.amounts import Amount, Asset, format_amount

Level = Literal["confirmed", "safe", "final"]
Kind = Literal["confirmation", "dust"]
LEVELS: Final[tuple[Level, ...]] = ("confirmed", "safe", "final")
"""Each stronger than the one before: booked by the indexer, the chain's safe block, finality."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`confirmation`: from `units` on, so many blocks (its own included) and the level. `dust`:
    below `units` it is kept until its address has so much together. None = every chain or asset.
    """

    organisation_id: UUID
    id: UUID
    kind: Kind
    chain_id: int | None
    asset: str | None
    units: int
    confirmations: int
    level: Level
    set_at: datetime
    set_by: str
    ended_at: datetime | None
    ended_by: str | None

    def fits(self, organisation_id: UUID, chain_id: int, asset: str) -> bool:
        """Whether it speaks of this organisation's deposits of the asset on the chain."""
        return (
            self.ended_at is None
            and self.organisation_id in (HOUSE, organisation_id)
            and self.chain_id in (None, chain_id)
            and self.asset in (None, asset)
        )

    def told(self) -> str:
        """Whose rule it is and for what."""
        whose = "the house's rule" if self.organisation_id == HOUSE else "your rule"
        what = "every asset" if self.asset is None else self.asset
        if not self.units or self.asset is None:
            return f"{whose} for {what}"
        return f"{whose} for {what} from {format_amount(Amount(self.units, Asset(self.asset)))}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a credit waits for, with why; `dust_units`: below this it waits for more."""

    confirmations: int
    level: Level
    dust_units: int
    why: str

    def are_met(self, depth: int, *, is_safe: bool, is_final: bool) -> bool:
        """`depth`: blocks from its own to the head, both counted."""
        reached = {"confirmed": True, "safe": is_safe or is_final, "final": is_final}
        return depth >= self.confirmations and reached[self.level]


NO_TERMS: Final = Terms(0, "confirmed", 0, "")
"""Of what is never credited."""


def terms(
    rules: Iterable[Rule], organisation_id: UUID, chain_id: int, asset: str, units: int
) -> Terms:
    """The terms of one deposit."""
    fitting = [rule for rule in rules if rule.fits(organisation_id, chain_id, asset)]
    waits = [rule for rule in fitting if rule.kind == "confirmation" and rule.units <= units]
    deepest = max(waits, key=lambda rule: rule.confirmations, default=None)
    strongest = max(waits, key=lambda rule: LEVELS.index(rule.level), default=None)
    parts = []
    if deepest is not None and deepest.confirmations > 1:
        parts.append(f"{deepest.confirmations} blocks ({deepest.told()})")
    if strongest is not None and strongest.level != "confirmed":
        parts.append(f"its block to be {strongest.level} ({strongest.told()})")
    return Terms(
        confirmations=0 if deepest is None else deepest.confirmations,
        level="confirmed" if strongest is None else strongest.level,
        dust_units=max((rule.units for rule in fitting if rule.kind == "dust"), default=0),
        why=f"Its credit waits for {' and for '.join(parts)}." if parts else "",
    )

"""When a vault's deposit addresses are swept, and at what price. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

MINUTES_A_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Schedule:
    """`minimums`: asset → the least that an address must hold of it to be swept. A window is in
    minutes of the day, UTC, its end not included; it may go over midnight. Prices in wei.
    """

    minimums: Mapping[str, int] = field(default_factory=dict)
    interval_seconds: int = 0
    window_from_minute: int | None = None
    window_to_minute: int | None = None
    max_fee_per_gas_wei: int | None = None

    def is_due(self, now: datetime, last: datetime | None) -> bool:
        """Whether a sweep may be planned now, the last one having been planned at `last`."""
        rested = last is None or now >= last + timedelta(seconds=self.interval_seconds)
        return rested and self._is_open(now.hour * 60 + now.minute)

    def fee_cap_wei(self, policy_cap_wei: int) -> int:
        """The most that a unit of gas may cost."""
        return min(policy_cap_wei, self.max_fee_per_gas_wei or policy_cap_wei)

    def _is_open(self, minute: int) -> bool:
        if self.window_from_minute is None or self.window_to_minute is None:
            return True
        length = (self.window_to_minute - self.window_from_minute) % MINUTES_A_DAY
        return (minute - self.window_from_minute) % MINUTES_A_DAY < length


EVERY_MOMENT: Final = Schedule()
"""Nothing was said: whatever is credited and final is swept as soon as the sweep before is over."""

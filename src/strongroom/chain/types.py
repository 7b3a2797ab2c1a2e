"""Values that other rooms get from the chain."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeeQuote:
    """Base fee of the next block, a usual tip, and a maximum that survives six full blocks; wei."""

    base_fee_wei: int
    priority_fee_wei: int
    max_fee_wei: int
    slow_fee_wei: int = 1
    fast_fee_wei: int = 1

    def tip_wei(self, level: str) -> int:
        """What is usual for `slow`, `normal` or `fast`."""
        tips = {"slow": self.slow_fee_wei, "fast": self.fast_fee_wei}
        return tips.get(level, self.priority_fee_wei)

"""Values that other rooms get from the chain."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeeQuote:
    """Base fee of the next block, a usual tip, and a maximum that survives six full blocks; wei."""

    base_fee_wei: int
    priority_fee_wei: int
    max_fee_wei: int

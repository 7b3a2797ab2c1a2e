"""Fees of EIP-1559 from what recent blocks paid. Whole wei only."""

from typing import Final

from strongroom.chain.answers import FeeHistoryAnswer
from strongroom.chain.rpc import quantity
from strongroom.chain.types import FeeQuote

BLOCKS_READ: Final = 10
REWARD_PERCENTILE: Final = 50
BASE_FEE_HEADROOM: Final = 2
"""The base fee doubles in six full blocks: this much headroom survives them."""


def quote(history: FeeHistoryAnswer) -> FeeQuote:
    """The median tip of recent blocks (at least 1 wei) on top of twice the next base fee."""
    base_fee = quantity(history.base_fee_per_gas[-1])
    tips = sorted(tip for rewards in history.reward for tip in map(quantity, rewards) if tip > 0)
    tip = tips[len(tips) // 2] if tips else 1
    return FeeQuote(base_fee, tip, BASE_FEE_HEADROOM * base_fee + tip)

"""Fees of EIP-1559 from what recent blocks paid. Whole wei only."""

from typing import Final

from strongroom.chain.answers import FeeHistoryAnswer
from strongroom.chain.rpc import quantity
from strongroom.chain.types import FeeQuote

BLOCKS_READ: Final = 10
PERCENTILES: Final = (10, 50, 90)
"""Of the tips in a block: what slow, normal and fast ones paid."""
BASE_FEE_HEADROOM: Final = 2
"""The base fee doubles in six full blocks: this much headroom survives them."""


def quote(history: FeeHistoryAnswer) -> FeeQuote:
    """For each of PERCENTILES the median tip of recent blocks (at least 1 wei); the normal one on
    top of twice the next base fee.
    """
    base_fee = quantity(history.base_fee_per_gas[-1])
    columns = [
        list(map(quantity, rewards))
        for rewards in history.reward
        if len(rewards) == len(PERCENTILES)
    ]
    slow, normal, fast = (_median([row[i] for row in columns]) for i in range(len(PERCENTILES)))
    normal, fast = max(slow, normal), max(slow, normal, fast)
    return FeeQuote(base_fee, normal, BASE_FEE_HEADROOM * base_fee + normal, slow, fast)


def _median(tips: list[int]) -> int:
    paid = sorted(tip for tip in tips if tip > 0)
    return paid[len(paid) // 2] if paid else 1

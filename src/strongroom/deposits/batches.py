"""How many addresses one EIP-7702 transaction sweeps, and the gas it gets. Pure."""

from typing import Final

ITEMS_MAX: Final = 200
"""The signer's own bound."""
GAS_MAX: Final = 2**24
"""What one transaction may ask for (EIP-7825)."""
# Measured with a plain token: 21,000 an item, 14,000 to 16,000 more where it delegates along. What
# is not used is not paid for, and an item that runs out of gas must be released by people.
BASE_GAS: Final = 100_000
COIN_GAS: Final = 55_000
TOKEN_GAS: Final = 75_000
DELEGATE_GAS: Final = 25_000


def gas_of(coins: int, tokens: int, delegates: int) -> int:
    """The gas limit of so many items of the coin and of tokens, and so many authorisations."""
    return BASE_GAS + coins * COIN_GAS + tokens * TOKEN_GAS + delegates * DELEGATE_GAS


def most(*, native: bool, fresh: bool) -> int:
    """How many addresses of one kind fit; `fresh`: each delegates along."""
    item = gas_of(native, not native, fresh) - BASE_GAS
    return min(ITEMS_MAX, (GAS_MAX - BASE_GAS) // item)


def gas_affordable(fee_max_wei: int, price_wei: int | None) -> int:
    """How much gas a sweep may ask for, so that it is not above the policy's fee before it is even
    sent: at twice the last price, at least one item with its authorisation.
    """
    if not price_wei:
        return GAS_MAX
    return max(gas_of(0, 1, 1), min(GAS_MAX, fee_max_wei // (2 * price_wei)))

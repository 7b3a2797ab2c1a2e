"""Version 1 of the API: one file a domain, each with a `router`."""

from strongroom.api.v1 import (
    compliance,
    deposits,
    offline,
    operator,
    payments,
    people,
    policy,
    proofs,
    vaults,
    wallets,
    withdrawals,
)

ROUTERS = tuple(
    module.router
    for module in (
        people,
        policy,
        wallets,
        vaults,
        deposits,
        withdrawals,
        offline,
        payments,
        compliance,
        proofs,
        operator,
    )
)
"""Every route of `/v1`, in the order in which the documentation shows them."""

"""Version 1 of the API: one file a domain, each with a `router`."""

from strongroom.api.v1 import (
    address_book,
    beliefs,
    compliance,
    deposit_rules,
    deposits,
    drafts,
    floats,
    offline,
    operator,
    payments,
    people,
    policy,
    proofs,
    rates,
    rehearsals,
    sending,
    sweeps,
    transactions,
    vault_queue,
    vaults,
    wallets,
    webhooks,
    withdrawals,
)

ROUTERS = tuple(
    module.router
    for module in (
        people,
        policy,
        drafts,
        rehearsals,
        address_book,
        rates,
        wallets,
        vaults,
        vault_queue,
        deposits,
        deposit_rules,
        sweeps,
        sending,
        withdrawals,
        floats,
        transactions,
        offline,
        payments,
        compliance,
        beliefs,
        proofs,
        webhooks,
        operator,
    )
)
"""Every route of `/v1`, in the order in which the documentation shows them."""

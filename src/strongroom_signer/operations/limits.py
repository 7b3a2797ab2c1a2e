"""What was permitted and what gas was offered lately, counted by the signer's own clock: the sum
of the current bucket of three hours and the eight before, never less than the last day's (rule 9).
"""

from __future__ import annotations

from strongroom_signer.errors import Refused
from strongroom_signer.house import House

BUCKET_SECONDS = 3 * 3600
BUCKETS_BEFORE = 8


def spent_units(house: House, organisation: bytes, asset: str) -> int:
    """Units of the asset permitted within at least the last 24 hours."""
    oldest = house.clock.now() // BUCKET_SECONDS - BUCKETS_BEFORE
    rows = house.journal.all(
        "SELECT units FROM spend WHERE organisation = ? AND asset = ? AND bucket >= ?",
        organisation,
        asset,
        oldest,
    )
    return sum(int(row[0]) for row in rows)


def count_spend(
    house: House, request_id: bytes, organisation: bytes, asset: str, units: int
) -> None:
    """Inside a unit: this request spends. It is not given back, even if nothing is mined."""
    bucket = house.clock.now() // BUCKET_SECONDS
    house.journal.add("spend", request_id, organisation, asset, str(units), bucket)


# Sweeps need nobody's word, so who plans them could burn the house's gas money on dust.
GAS_BUDGET_TRANSACTIONS = 100


def count_sweep_gas(
    house: House, request_id: bytes, organisation: bytes, wei: int, transaction_max_wei: int
) -> None:
    """Inside a unit: this attempt may burn `wei` more. Raises Refused, retryable, when the last
    day's sweeps would then cost more than GAS_BUDGET_TRANSACTIONS at the signed maximum each.
    """
    bucket = house.clock.now() // BUCKET_SECONDS
    rows = house.journal.all(
        "SELECT wei FROM sweep_gas WHERE organisation = ? AND bucket >= ?",
        organisation,
        bucket - BUCKETS_BEFORE,
    )
    budget = GAS_BUDGET_TRANSACTIONS * transaction_max_wei
    if sum(int(row[0]) for row in rows) + wei > budget:
        raise Refused(
            "gas_budget_spent",
            f"the sweeps of the last day may cost {budget} wei, and this one would be beyond it",
            retryable=True,
        )
    house.journal.add("sweep_gas", request_id, organisation, str(wei), bucket)

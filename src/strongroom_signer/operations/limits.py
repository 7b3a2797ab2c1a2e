"""What was permitted and what gas was offered lately, counted by the signer's own clock: the sum
of the current bucket of three hours and the eight before, never less than the last day's (rule 9).

Each counter of an organisation is a running total, so that a busy day costs no more than a quiet
one: what was counted lately is the newest total less the one before the window.
"""

from __future__ import annotations

from strongroom_signer.errors import Refused
from strongroom_signer.house import House

BUCKET_SECONDS = 3 * 3600
BUCKETS_BEFORE = 8


def spent_units(house: House, organisation: bytes, counter: str) -> int:
    """Units counted within at least the last 24 hours; `counter` is an asset's code, or any other
    text that names what is counted.
    """
    before = house.journal.one(
        "SELECT total FROM spend WHERE organisation = ? AND counter = ? AND bucket < ?"
        " ORDER BY bucket DESC, rowid DESC LIMIT 1",
        organisation,
        counter,
        house.clock.now() // BUCKET_SECONDS - BUCKETS_BEFORE,
    )
    total, _ = _newest(house, organisation, counter)
    return total - (int(before[0]) if before else 0)


def count_spend(
    house: House, request_id: bytes, organisation: bytes, counter: str, units: int
) -> None:
    """Inside a unit: this request spends, on each of its counters once. It is not given back, even
    if nothing is mined.
    """
    total, bucket = _newest(house, organisation, counter)
    now = max(bucket, house.clock.now() // BUCKET_SECONDS)
    row = (organisation, counter, str(units), str(total + units), now)
    house.journal.add("spend", request_id, *row)


def _newest(house: House, organisation: bytes, counter: str) -> tuple[int, int]:
    """Everything that was ever counted, and the bucket of the last time."""
    row = house.journal.one(
        "SELECT total, bucket FROM spend WHERE organisation = ? AND counter = ?"
        " ORDER BY bucket DESC, rowid DESC LIMIT 1",
        organisation,
        counter,
    )
    return (int(row[0]), int(row[1])) if row else (0, 0)


# Sweeps need nobody's word, so who plans them could burn the house's gas money on dust.
GAS_BUDGET_TRANSACTIONS = 100
SWEEP_GAS = "gas of sweeps"


def count_sweep_gas(
    house: House, request_id: bytes, organisation: bytes, wei: int, transaction_max_wei: int
) -> None:
    """Inside a unit: this attempt may burn `wei` more. Raises Refused, retryable, when the last
    day's sweeps would then cost more than GAS_BUDGET_TRANSACTIONS at the signed maximum each.
    """
    budget = GAS_BUDGET_TRANSACTIONS * transaction_max_wei
    if spent_units(house, organisation, SWEEP_GAS) + wei > budget:
        raise Refused(
            "gas_budget_spent",
            f"the sweeps of the last day may cost {budget} wei, and this one would be beyond it",
            retryable=True,
        )
    count_spend(house, request_id, organisation, SWEEP_GAS, wei)

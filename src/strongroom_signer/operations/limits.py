"""What was permitted lately, counted by the signer's own clock: the sum of the current bucket of
three hours and the eight before, which is never less than the last day's (rule 9).
"""

from __future__ import annotations

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

"""Values of reconciliation."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ReconciliationRow:
    """One custody account at a finalized block. difference = chain_units - ledger_units; where
    there is one, it began above equal_height and not above differs_height, if that is known.
    """

    height: int
    block_hash: bytes
    custody_code: str
    address: bytes
    asset: str
    ledger_units: int
    chain_units: int
    difference: int
    compared_at: datetime
    equal_height: int | None = None
    differs_height: int | None = None

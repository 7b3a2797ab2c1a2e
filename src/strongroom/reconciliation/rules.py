"""Both sides of each custody account, put side by side. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from strongroom.ledger.types import CustodyTotal

Account = tuple[UUID, str, str]
"""(organisation, custody code, asset)."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One account with what each side says, in the asset's smallest units."""

    account: Account
    ledger_units: int
    chain_units: int

    @property
    def difference(self) -> int:
        """What the chain has more than the books; negative when it has less."""
        return self.chain_units - self.ledger_units


def compare(ledger: Sequence[CustodyTotal], chain: Mapping[Account, int]) -> list[Compared]:
    """Every account that the chain was asked about; one that the ledger lacks counts as zero.

    An account of the ledger that was not read on chain this time is left for its own turn.
    """
    books = {(item.organisation_id, item.code, item.asset): item.units for item in ledger}
    return [
        Compared(account, books.get(account, 0), units) for account, units in sorted(chain.items())
    ]

"""What this signer permitted in a window, for the rules that ask: its own journal, nothing else.

Each payment has one row in its asset's counter, with who ordered it, what paid, to whom, and what
it was worth then. Rows are read only where a rule asks for a window; where running totals answer,
not even then.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import UNITS_MAX
from strongroom_protocol.canonical import INTEGER_MAX
from strongroom_protocol.facts import Facts, Used
from strongroom_protocol.rules import Over
from strongroom_protocol.windows import oldest_bucket
from strongroom_signer.authority.organisations import Organisation
from strongroom_signer.house import House
from strongroom_signer.operations.limits import known_since, spent_since

_ROWS = (
    "SELECT counter, units, value FROM spend WHERE organisation = ? AND bucket >= ?"
    " AND counter IN (SELECT value FROM json_each(?))"
)
_WHOSE = {
    "organisation": "",
    "initiator": " AND initiator = ?",
    "source": " AND wallet = ?",
    "destination": " AND destination = ?",
}
# What a lost journal had counted is more than any bound.
UNKNOWN = Used(UNITS_MAX, None, INTEGER_MAX)


@dataclass(frozen=True, slots=True)
class Journalled:
    """One organisation's payments, as `policy.History`."""

    house: House
    organisation: Organisation

    def used(self, over: Over, facts: Facts) -> Used:
        """Of the assets that the policy lists; `units` of this payment's asset alone."""
        if facts.now < over.window_seconds + known_since(self.house):
            return UNKNOWN
        oldest = oldest_bucket(facts.now, over.window_seconds)
        assets = [token.asset.code for token in self.organisation.bundle.tokens]
        wallet = facts.wallet if over.per == "source" else None
        if over.value_above is None and (wallet or over.per == "organisation"):
            counters = {one: float_counter(one, wallet) if wallet else one for one in assets}
            return self._totals(counters, facts.asset, oldest)
        return self._scanned(over, facts, assets, oldest)

    def _totals(self, counters: dict[str, str], asset: str, oldest: int) -> Used:
        """Where running totals have it."""
        ref = self.organisation.ref
        found = {one: spent_since(self.house, ref, name, oldest) for one, name in counters.items()}
        return Used(found[asset][0], None, sum(count for _, count in found.values()))

    def _scanned(self, over: Over, facts: Facts, assets: list[str], oldest: int) -> Used:
        whose: dict[str, tuple[object, ...]] = {
            "organisation": (),
            "initiator": (facts.initiator,),
            "source": (facts.wallet or self.organisation.vault,),
            "destination": (facts.destination,),
        }
        values = (self.organisation.ref, oldest, json.dumps(assets), *whose[over.per])
        rows = self.house.journal.all(_ROWS + _WHOSE[over.per], *values)
        worth = [value for _, _, value in rows]
        return Used(
            units=sum(int(units) for counter, units, _ in rows if counter == facts.asset),
            value_units=None if None in worth else sum(map(int, worth)),
            count=len(rows),
        )


def float_counter(asset: str, wallet: Address) -> str:
    """The counter of what one spending key paid."""
    return f"{asset} of {checksum(wallet)}"

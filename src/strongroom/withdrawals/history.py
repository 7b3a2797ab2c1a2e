"""What left before, for limits and for rules over time: from the withdrawals' own rows, by the same
buckets as the signer's and the guard's. The signer counts by its own journal and decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from strongroom.db.database import UnitOfWork
from strongroom.withdrawals import repository
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.facts import Facts, Used
from strongroom_protocol.rates import RateStatement, value_units
from strongroom_protocol.rules import Over
from strongroom_protocol.windows import BUCKET_SECONDS, DAY_SECONDS, oldest_bucket


@dataclass(frozen=True, slots=True)
class Recorded:
    """One organisation's orders, as `policy.History`; `but` is the order that is judged. What left
    is valued at the rates of now: the signer keeps what each was worth then.
    """

    uow: UnitOfWork
    organisation_id: UUID
    bundle: Bundle
    rates: Sequence[RateStatement]
    but: UUID | None = None

    def used(self, over: Over, facts: Facts) -> Used:
        """As the protocol says: `units` of this asset alone, the rest of every one."""
        found = self._paid(over.window_seconds, **_same(over, facts))
        return Used(
            units=found.get(facts.asset, (0, 0))[0],
            value_units=None if over.value_above is None else self._worth(found, facts.now),
            count=sum(count for _, count in found.values()),
        )

    def in_a_day(self, asset: str, wallet: bytes | None = None) -> int:
        """Units of the asset within at least the last day; of one wallet."""
        same = {} if wallet is None else {"wallet": wallet}
        return self._paid(DAY_SECONDS, **same).get(asset, (0, 0))[0]

    def _paid(self, window_seconds: int, **same: object) -> dict[str, tuple[int, int]]:
        oldest = oldest_bucket(int(self.uow.now.timestamp()), window_seconds)
        since = datetime.fromtimestamp(max(oldest, 0) * BUCKET_SECONDS, UTC)
        return repository.paid_since(self.uow, self.organisation_id, since, but=self.but, **same)

    def _worth(self, found: dict[str, tuple[int, int]], now: int) -> int | None:
        total = 0
        for asset, (units, _) in found.items():
            value = value_units(self.bundle.rates, self.rates, asset, units, now)
            if value is None:
                return None
            total += value
        return total


def _same(over: Over, facts: Facts) -> dict[str, object]:
    """The columns that make two payments count together."""
    if over.per == "initiator":
        return {"initiator": facts.initiator}
    if over.per == "destination":
        return {"destination": facts.destination}
    if over.per == "source":
        return {"wallet_kind": "vault"} if facts.wallet is None else {"wallet": facts.wallet}
    return {}

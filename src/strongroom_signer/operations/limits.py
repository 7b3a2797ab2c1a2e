"""What was permitted and what gas was offered lately, counted by the signer's own clock: the sum
of the current bucket of three hours and the eight before, never less than the last day's (rule 9).

Each counter of an organisation is a running total, so that a busy day costs no more than a quiet
one: what was counted lately is the newest total less the one before the window.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom_protocol.addresses import Address
from strongroom_protocol.windows import DAY_SECONDS, bucket_of, oldest_bucket
from strongroom_signer.errors import Refused
from strongroom_signer.house import House
from strongroom_signer.journal.store import FIRST_EPOCH

# Above every bucket.
EVER = 2**62


@dataclass(frozen=True, slots=True)
class _Count:
    """A row of a counter: everything that was counted up to it."""

    total: int
    bucket: int
    number: int


@dataclass(frozen=True, slots=True)
class Paid:
    """Of a payment, what rules over time ask for later: who ordered it (id), which wallet paid,
    to whom, and what it was worth then (None: nobody knew).
    """

    initiator: str
    wallet: Address
    destination: Address
    value_units: int | None


def spent_units(house: House, organisation: bytes, counter: str) -> int:
    """Units counted within at least the last 24 hours; `counter` is an asset's code, or any other
    text that names what is counted. Raises Refused, retryable: limits_unknown.
    """
    _check_known(house)
    return spent_since(house, organisation, counter, oldest_bucket(house.clock.now()))[0]


def spent_since(house: House, organisation: bytes, counter: str, oldest: int) -> tuple[int, int]:
    """Units, and how many times, from bucket `oldest` on."""
    before, last = (_last(house, organisation, counter, at) for at in (oldest, EVER))
    return last.total - before.total, last.number - before.number


def count_spend(
    house: House,
    request_id: bytes,
    organisation: bytes,
    counter: str,
    units: int,
    paid: Paid | None = None,
) -> None:
    """Inside a unit: this request spends, on each of its counters once. It is not given back, even
    if nothing is mined. `paid` stands in one of them: that of the asset.
    """
    last = _last(house, organisation, counter)
    bucket = max(last.bucket, bucket_of(house.clock.now()))
    new = _Count(last.total + units, bucket, last.number + 1)
    row = (str(units), str(new.total), new.bucket, new.number)
    who: tuple[object, ...] = (None,) * 4
    if paid is not None:
        value = None if paid.value_units is None else str(paid.value_units)
        who = (paid.initiator, paid.wallet, paid.destination, value)
    house.journal.add("spend", request_id, organisation, counter, *row, *who)
    house.journal.remember(("spend", organisation, counter, EVER), new)


def known_since(house: House) -> int:
    """Since when everything that was permitted is in this journal: after a lost one, its epoch."""
    epoch, began = house.journal.epoch_began()
    return 0 if epoch == FIRST_EPOCH else began


def _check_known(house: House) -> None:
    """After a lost journal nobody knows what its last day had counted: wait until it is over."""
    known = known_since(house) + DAY_SECONDS
    if known == DAY_SECONDS or house.clock.now() >= known:
        return
    raise Refused(
        "limits_unknown",
        f"epoch {house.journal.epoch} began lately and what the lost journal had counted is not "
        f"known; limits count again from {known} (Unix time)",
        retryable=True,
    )


def _last(house: House, organisation: bytes, counter: str, before: int = EVER) -> _Count:
    """The last count in a bucket below `before`. No bucket but the newest gets another one, and
    that is remembered as it is written.
    """
    query = (
        "SELECT total, bucket, number FROM spend WHERE organisation = ? AND counter = ?"
        " AND bucket < ? ORDER BY bucket DESC, number DESC LIMIT 1"
    )

    def read() -> _Count:
        row = house.journal.one(query, organisation, counter, before)
        return _Count(int(row[0]), row[1], row[2]) if row else _Count(0, 0, 0)

    return house.journal.remembered(("spend", organisation, counter, before), read)


# Sweeps need nobody's word, so who plans them could burn the house's gas money on dust: a day's
# sweeps may cost as much as so many transactions at the signed maximum each.
SWEEP_TRANSACTIONS = 100
SWEEP_GAS = "gas of sweeps"


def count_gas(
    house: House, request_id: bytes, organisation: bytes, counter: str, wei: int, budget: int
) -> None:
    """Inside a unit: this attempt may spend `wei` more of what nobody approves one by one. Raises
    Refused, retryable, when the last day would then have cost more than `budget`.
    """
    if spent_units(house, organisation, counter) + wei > budget:
        raise Refused(
            "gas_budget_spent",
            f"the {counter} may cost {budget} wei a day, and this would be beyond it",
            retryable=True,
        )
    count_spend(house, request_id, organisation, counter, wei)

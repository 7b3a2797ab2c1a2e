"""What a draft would have said to payments that were ordered, and what people could do under it.

Pure. Each payment is judged with what really left before it, by the people who really approved it,
as cleared; what it was worth follows from rates that the question assumes, or is not known.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from strongroom.policy.deadlock import Deadlock, deadlocks
from strongroom.policy.powers import Power, Progress, powers, quiet
from strongroom.policy.words import grouped
from strongroom_protocol.addresses import Address
from strongroom_protocol.amounts import Amount, Asset
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.facts import Facts, Used
from strongroom_protocol.policy import Verdict, evaluate
from strongroom_protocol.rules import Over
from strongroom_protocol.windows import DAY_SECONDS, bucket_of, oldest_bucket

PAYMENTS_MAX: Final = 20_000
"""Of one rehearsal; a longer period is rehearsed in parts."""
_A_DAY: Final = Over(DAY_SECONDS, "organisation", count_above=0)
_A_DAY_OF_A_WALLET: Final = Over(DAY_SECONDS, "source", count_above=0)


@dataclass(frozen=True, slots=True)
class PastPayment:
    """An order as it was given, at `at` (Unix seconds); `wallet` None = the vault. `left`: the
    signer permitted it, so it counts in what was paid before later ones.
    """

    reference: str
    at: int
    initiator: str
    asset: str
    units: int
    destination: Address
    wallet: Address | None
    vault: Address | None
    approvers: frozenset[str]
    left: bool

    def amount(self) -> str:
        """`1,000 USDC`."""
        return grouped(Amount(self.units, Asset(self.asset)))


@dataclass(frozen=True, slots=True)
class Changed:
    """A payment to which the draft says something else than the policy of now."""

    payment: PastPayment
    before: Verdict
    after: Verdict

    @property
    def words(self) -> str:
        """Both verdicts, in their own sentences."""
        return f"{self.payment.reference}: now: {self.before.sentence} Then: {self.after.sentence}"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of it; `whole` is False when the period has more than PAYMENTS_MAX orders."""

    looked_at: int
    whole: bool
    changed: tuple[Changed, ...]
    powers: tuple[Power, ...]
    deadlocks: tuple[Deadlock, ...]
    assumptions: tuple[str, ...]


class PastHistory:
    """What had left before a payment, by the buckets that every enforcer counts in."""

    def __init__(self, payments: Sequence[PastPayment], prices: Mapping[str, int | None]) -> None:
        """`payments` in the order of time; `prices` in minor units for one whole asset."""
        self._left = [one for one in payments if one.left]
        self._times = [one.at for one in self._left]
        self._prices = prices

    def used(self, over: Over, facts: Facts) -> Used:
        """See `facts.History`: units of this asset, values of all."""
        oldest = oldest_bucket(facts.now, over.window_seconds)
        units, count, value = 0, 0, 0
        known = True
        for one in reversed(self._left[: bisect_left(self._times, facts.now)]):
            if bucket_of(one.at) < oldest:
                break
            if not _same(over, one, facts):
                continue
            count += 1
            units += one.units if one.asset == facts.asset else 0
            worth = value_of(one.asset, one.units, self._prices)
            known = known and worth is not None
            value += worth or 0
        return Used(units, value if known else None, count)


def rehearse(
    before: Bundle,
    after: Bundle,
    payments: Sequence[PastPayment],
    *,
    begins: int,
    now: int,
    prices: Mapping[str, int | None] | None = None,
    progress: Progress = quiet,
) -> Rehearsal:
    """Judge what was ordered from `begins` on under both, and ask what people could do under
    `after`. `payments` ascend by time and reach back a window before `begins`, for what had left.
    """
    asked = [one for one in payments if one.at >= begins]
    history = PastHistory(payments, prices or {})
    changed = []
    for i, payment in enumerate(asked[:PAYMENTS_MAX]):
        progress(i, len(asked), f"judging {payment.reference}")
        facts = _facts(payment, history, prices or {})
        old, new = evaluate(before, facts), evaluate(after, facts)
        if (old.kind, old.missing, old.required) != (new.kind, new.missing, new.required):
            changed.append(Changed(payment, old, new))
    return Rehearsal(
        looked_at=min(len(asked), PAYMENTS_MAX),
        whole=len(asked) <= PAYMENTS_MAX,
        changed=tuple(changed),
        powers=tuple(powers(after, now, progress=progress)),
        deadlocks=tuple(deadlocks(after, now, progress=progress)),
        assumptions=tuple(_assumptions(after, prices or {})),
    )


def value_of(asset: str, units: int, prices: Mapping[str, int | None]) -> int | None:
    """Minor units of the currency, rounded up; None without a price."""
    price = prices.get(asset)
    return None if price is None else -(-units * price // 10 ** Asset(asset).scale)


def _facts(payment: PastPayment, history: PastHistory, prices: Mapping[str, int | None]) -> Facts:
    facts = Facts(
        initiator=payment.initiator,
        asset=payment.asset,
        units=payment.units,
        destination=payment.destination,
        now=payment.at,
        approvers=payment.approvers,
        wallet=payment.wallet,
        vault=payment.vault,
        value_units=value_of(payment.asset, payment.units, prices),
        history=history,
    )
    return replace(
        facts,
        spent_units=history.used(_A_DAY, facts).units,
        wallet_spent_units=history.used(_A_DAY_OF_A_WALLET, facts).units,
    )


def _same(over: Over, one: PastPayment, facts: Facts) -> bool:
    if over.per == "initiator":
        return one.initiator == facts.initiator
    if over.per == "source":
        return one.wallet == facts.wallet
    if over.per == "destination":
        return one.destination == facts.destination
    return True


def _assumptions(after: Bundle, prices: Mapping[str, int | None]) -> list[str]:
    found = [
        "Each payment is judged with what really left before it and with who really approved it.",
        "Screening is taken to have cleared every payment.",
    ]
    if after.rates is not None:
        told = sorted(asset for asset, price in prices.items() if price is not None)
        found.append(
            f"Rates are assumed for {', '.join(told) or 'no asset'}; what another asset was worth "
            "is not known, so it counts as the highest."
        )
    return found

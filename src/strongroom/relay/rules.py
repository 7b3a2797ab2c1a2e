"""How much gas, what price, and what to do next with an outgoing transaction. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from strongroom.relay.types import FeeCap, Fees

GAS: Final[Mapping[str, int]] = {
    # Measured: a sweep delegate 0.6M, a token payment 220k. Who makes a vault names its gas.
    "vault_creation": 2_500_000,
    "delegate_deployment": 1_500_000,
    "vault_execution": 400_000,
    # A transfer costs 21,000 to 65,000; a contract that is paid in the coin may do something.
    "hot_payment": 100_000,
    "leaf_sweep": 100_000,
    "gas_topup": 60_000,
}
USUAL_GAS: Final = 150_000
"""By which gas money is counted: between a payment by a spending key and one by a vault."""
SWEEP_BASE_GAS: Final = 120_000
SWEEP_ITEM_GAS: Final = 200_000
SWEEP_DELEGATE_GAS: Final = 25_000
CANCEL_GAS: Final = 21_000
SCHEDULED: Final = frozenset({"sweep", "leaf_sweep"})
"""What a schedule orders, under the highest price at which it is to begin."""

# geth asks for 10 % on both fees of a replacement; an eighth leaves room for rounding.
BUMP_NUMERATOR: Final = 9
BUMP_DENOMINATOR: Final = 8
ATTEMPTS_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the relay is, in seconds, and what it pays at most for a unit of gas."""

    bump_after_seconds: int = 60
    rebroadcast_after_seconds: int = 20
    max_fee_per_gas_wei: int = 500 * 10**9
    private_seconds: int = 60
    """How long a transaction is shown to the private endpoint only, where there is one."""
    foresight_seconds: int = 120
    """How long a node's word that it would revert delays it. One node's word stops nothing."""


@dataclass(frozen=True, slots=True)
class AttemptState:
    """What decides about the next step, of one attempt."""

    number: int
    kind: str
    fees: Fees
    signed: bool
    refused: bool
    planned_at: datetime
    first_broadcast_at: datetime | None


@dataclass(frozen=True, slots=True)
class NextStep:
    """`plan` a new attempt, `sign` the planned one, or `broadcast` the signed one."""

    act: Literal["plan", "sign", "broadcast"]
    attempt: int
    kind: Literal["payload", "cancel"] = "payload"


def gas_limit(purpose: str, kind: str, payload: Mapping[str, Any], named: int | None) -> int:
    """Gas units to allow, as the owner `named` them or by purpose; unused gas is not paid for."""
    if kind == "cancel":
        return CANCEL_GAS
    if named is not None:
        return named
    if purpose != "sweep":
        return GAS[purpose]
    items, delegates = len(payload.get("items", ())), len(payload.get("delegate", ()))
    return SWEEP_BASE_GAS + items * SWEEP_ITEM_GAS + delegates * SWEEP_DELEGATE_GAS


def cap_once_sent(purpose: str, cap: FeeCap) -> FeeCap:
    """What binds a bump. The price that a schedule names chooses when a sweep begins; once it has a
    nonce, everybody's transactions of that key wait behind it, and only the total binds it, the
    relay's own cap, and the signer's by the organisation's policy.
    """
    return replace(cap, max_fee_per_gas_wei=None) if purpose in SCHEDULED else cap


def bumped(price_wei: int) -> int:
    """At least 12.5 % more, rounded up."""
    return -(-price_wei * BUMP_NUMERATOR // BUMP_DENOMINATOR)


def replacing(previous: Fees) -> Fees:
    """Fees of an empty call in the place of a transaction that nobody has sent."""
    prices = (previous.max_fee_per_gas_wei, previous.max_priority_fee_per_gas_wei)
    return Fees(CANCEL_GAS, *map(bumped, prices))


def first_fees(gas: int, max_fee_wei: int, priority_fee_wei: int, cap_wei: int) -> Fees | None:
    """Fees of a first attempt, or None while the market is above the cap."""
    if max_fee_wei > cap_wei:
        return None
    return Fees(gas, max_fee_wei, min(priority_fee_wei, max_fee_wei))


def next_fees(
    previous: Fees, gas: int, max_fee_wei: int, priority_fee_wei: int, cap_wei: int
) -> Fees | None:
    """Fees of a replacement: both ≥ +12.5 % and not under the market; None above the cap."""
    max_fee = max(bumped(previous.max_fee_per_gas_wei), max_fee_wei)
    priority = max(bumped(previous.max_priority_fee_per_gas_wei), priority_fee_wei)
    if max_fee > cap_wei:
        return None
    return Fees(gas, max_fee, min(priority, max_fee))


def next_step(
    attempts: Sequence[AttemptState],
    *,
    cancel_requested: bool,
    now: datetime,
    pace: Pace,
    offline: bool = False,
) -> NextStep:
    """What to do with a claimed row; `attempts` ascending by number. `offline`: its key is on
    another machine, and people bring its attempts signed.
    """
    if not attempts:
        return NextStep("plan", 0)
    last = attempts[-1]
    if not last.signed and not last.refused:
        return NextStep("sign", last.number, _kind(last))
    signed = [attempt for attempt in attempts if attempt.signed]
    if not signed:
        return NextStep("plan", 0)
    newest = signed[-1]
    if newest.first_broadcast_at is None or offline:
        return NextStep("broadcast", newest.number, _kind(newest))
    # A bump that was refused is planned anew after a pause: the reason may pass, and a nonce that
    # stays where it is holds up everybody's transactions behind it.
    since = last.planned_at if last.refused else newest.first_broadcast_at
    due = now - since >= timedelta(seconds=pace.bump_after_seconds)
    number = last.number if last.refused else last.number + 1
    if number < ATTEMPTS_MAX:
        wants_cancel = cancel_requested and newest.kind != "cancel"
        if wants_cancel and (due or not last.refused or last.kind != "cancel"):
            return NextStep("plan", number, "cancel")
        if due:
            return NextStep("plan", number, _kind(newest))
    return NextStep("broadcast", newest.number, _kind(newest))


def _kind(attempt: AttemptState) -> Literal["payload", "cancel"]:
    return "cancel" if attempt.kind == "cancel" else "payload"

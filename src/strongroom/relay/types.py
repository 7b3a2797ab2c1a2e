"""Values of the relay: what is to be sent, what it may cost, what was signed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

Purpose = Literal[
    "vault_creation", "delegate_deployment", "vault_execution", "sweep", "hot_payment",
    "cold_payment", "gas_topup", "leaf_sweep",
]  # fmt: skip
FeeLevel = Literal["slow", "normal", "fast"]
State = Literal["queued", "signed", "broadcast", "mined", "finalized", "failed", "cancelled"]
AttemptKind = Literal["payload", "cancel"]


@dataclass(frozen=True, slots=True)
class Fees:
    """Gas limit, and what a unit of gas may cost at most, in wei (EIP-1559)."""

    gas: int
    max_fee_per_gas_wei: int
    max_priority_fee_per_gas_wei: int

    @property
    def total_wei(self) -> int:
        """The most that the transaction can cost."""
        return self.gas * self.max_fee_per_gas_wei

    def fields(self) -> dict[str, str]:
        """As the signer is asked for them."""
        return {
            "gas": str(self.gas),
            "max_fee_per_gas": str(self.max_fee_per_gas_wei),
            "max_priority_fee_per_gas": str(self.max_priority_fee_per_gas_wei),
        }


@dataclass(frozen=True, slots=True)
class FeeCap:
    """What the owner's policy and intent allow, in wei; the signer enforces the same."""

    max_fee_per_gas_wei: int | None = None
    max_total_fee_wei: int | None = None
    level: FeeLevel = "normal"
    """Which of the usual tips is offered."""

    def per_gas_wei(self, gas: int, own_cap_wei: int) -> int:
        """The most that a unit of gas may cost when `gas` units are allowed."""
        caps = [own_cap_wei]
        if self.max_fee_per_gas_wei is not None:
            caps.append(self.max_fee_per_gas_wei)
        if self.max_total_fee_wei is not None:
            caps.append(self.max_total_fee_wei // gas)
        return min(caps)


@dataclass(frozen=True, slots=True)
class SignedAttempt:
    """What the signer gave back: the raw transaction (EIP-2718) and where it stands."""

    sender: bytes
    nonce: int
    raw: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class OutgoingView:
    """One logical transaction. `payload` holds the signer's fields for its purpose."""

    organisation_id: UUID
    id: UUID
    chain_id: int
    purpose: Purpose
    ref: bytes
    payload: Mapping[str, Any]
    state: State
    nonce: int | None
    mined_hash: bytes | None
    mined_height: int | None
    succeeded: bool | None
    last_error: str | None
    request_id: str
    gas: int | None
    cap: FeeCap
    sender: bytes | None = None
    revert_reason: str | None = None


VIEWED: Final = (
    "organisation_id", "id", "chain_id", "purpose", "ref", "state", "nonce", "mined_hash",
    "mined_height", "succeeded", "last_error", "request_id", "gas", "sender", "revert_reason",
    "max_fee_per_gas_wei", "max_total_fee_wei", "fee_level",
)  # fmt: skip
"""The columns that make a view, but for the payload, which is long."""
_PLAIN: Final = VIEWED[:15]


def view_of(row: Mapping[str, Any]) -> OutgoingView:
    """The view of a row, by column; without a `payload` it is empty."""
    price, total = row["max_fee_per_gas_wei"], row["max_total_fee_wei"]
    return OutgoingView(
        **{name: row[name] for name in _PLAIN},
        payload=row.get("payload", {}),
        cap=FeeCap(
            None if price is None else int(price),
            None if total is None else int(total),
            row["fee_level"],
        ),
    )


@dataclass(frozen=True, slots=True)
class PurseView:
    """Gas money of one of our keys; `state` is ok, low or dry since `since`."""

    organisation_id: UUID
    address: bytes
    balance_wei: int
    transactions_left: int
    state: str
    since: datetime
    checked_at: datetime

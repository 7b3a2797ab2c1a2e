"""Values of withdrawals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from strongroom.relay.types import FeeLevel
from strongroom.withdrawals.sequence import Need
from strongroom_protocol.policy import Verdict

State = Literal[
    "screening", "queued", "awaiting_approval", "approved", "binding", "signed", "broadcast",
    "mined", "finalized", "voiding", "rejected", "expired", "cancelled", "blocked", "failed",
]  # fmt: skip
Kind = Literal["payment", "rejection"]


@dataclass(frozen=True, slots=True)
class PreparedWithdrawal:
    """What the initiator signs. `intent` is the digest, 0x hex: the request's id for ever."""

    intent: str
    fields: Mapping[str, Any]
    typed_data: Mapping[str, Any]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """Who approved, with which key (EIP-55), when. `void`: why the signature counts no more, in
    words; none = it counts. `stands_for`: ids of those whose deputy the person is.
    """

    person: str
    address: str
    at: datetime
    void: str | None = None
    stands_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReminderView:
    """Ids of the people whose signature was waited for, and what they were told."""

    number: int
    people: tuple[str, ...]
    sentence: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TransitionView:
    """One step of a withdrawal's life."""

    step: int
    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SigningData:
    """What approvers sign now: for a spending key the order itself (`is_order`); for the vault the
    Safe transaction and, for a payment, its readable twin. `digest` is that of `typed`.
    """

    kind: Kind
    is_order: bool
    typed: Mapping[str, Any]
    payment: Mapping[str, Any] | None
    digest: bytes
    required: tuple[str, ...]
    approved_by: tuple[str, ...]
    needs: tuple[Need, ...]
    may_sign_now: tuple[str, ...]
    """Ids of the people whose turn it is."""
    batch: Mapping[str, Any] | None = None
    """All payments that the Safe transaction makes, where there are several, and by which contract:
    {multi_send, payments: [{token, to, units}]}.
    """


@dataclass(frozen=True, slots=True)
class WithdrawalView:
    """A withdrawal as it stands. `amount` is decimal text, `to` EIP-55, hashes are bytes."""

    id: UUID
    intent: bytes
    fields: Mapping[str, Any]
    state: State
    reason: str
    rule_id: str | None
    reference: str
    asset: str
    amount: str
    to: str
    wallet: str
    wallet_kind: str
    source: str
    initiator: str
    valid_until: datetime
    policy_version: int
    safe_nonce: int | None
    safe_tx_hash: bytes | None
    required: tuple[str, ...]
    approvals: tuple[ApprovalView, ...]
    tx_hash: bytes | None
    created_at: datetime
    memo: str = ""
    fee_level: FeeLevel = "normal"
    max_fee_wei: int = 0
    batch: UUID | None = None
    """The first of the payments that it is sent with."""

"""Tables of withdrawals (migrations 0013, 0019, 0026 and 0027)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base, Units


class Withdrawal(Base):
    """One order to pay. Its intent, signed by the initiator, never changes."""

    __tablename__ = "withdrawal"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    intent: Mapped[bytes]
    """EIP-712 digest of the Withdrawal: the request's id, consumed once for ever."""
    fields: Mapped[dict[str, Any]]
    """The Withdrawal's members in wire form, as they were signed."""
    reference: Mapped[str]
    initiator: Mapped[str]
    """Id of the person in the policy bundle."""
    initiator_signature: Mapped[bytes]
    wallet: Mapped[bytes]
    """The address that pays."""
    wallet_kind: Mapped[str]
    """vault, hot or cold: see wallet.py."""
    vault_id: Mapped[UUID | None]
    source: Mapped[str]
    """The client account that pays, for example client:treasury."""
    asset: Mapped[str]
    token: Mapped[bytes | None]
    """Contract of the asset; none = the native coin."""
    destination: Mapped[bytes]
    units: Mapped[Units]
    valid_until: Mapped[datetime]
    policy_version: Mapped[int]
    state: Mapped[str]
    reason: Mapped[str]
    """One sentence: why it stands where it stands."""
    rule_id: Mapped[str | None]
    held: Mapped[bool]
    """Whether the ledger holds the money for it."""
    screening_id: Mapped[UUID | None]
    safe_nonce: Mapped[int | None]
    safe_tx_hash: Mapped[bytes | None]
    """Of the payment; the rejection's follows from vault and nonce."""
    bound_at: Mapped[datetime | None]
    """Since when the Safe nonce belongs to this intent, because the signer may have permitted."""
    void_to: Mapped[str | None]
    """What it becomes once the same-nonce rejection is final."""
    void_bound_at: Mapped[datetime | None]
    void_round: Mapped[int] = mapped_column(Integer)
    """How many rejections were mined and reverted before the present one."""
    lease_until: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime | None]
    """When the relay's loop of its kind looks at it; none = it waits for somebody else."""
    batch_id: Mapped[UUID | None]
    """The first of the payments that one Safe transaction makes together; none = it goes alone."""
    batch_place: Mapped[int] = mapped_column(Integer)
    batch: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """All of them in their order, as batches.describe has them."""
    memo: Mapped[str]
    """The client's own words, told to the client alone."""
    fee_level: Mapped[str]
    """slow, normal or fast: the tip that it is sent with."""
    outgoing_id: Mapped[UUID | None]
    """A spending key's transaction at the relay; a vault's stand with their Permits."""
    request_id: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WithdrawalTransition(Base):
    """A step of its life; append-only."""

    __tablename__ = "withdrawal_transition"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    withdrawal_id: Mapped[UUID] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    """kind:id of who did it."""
    at: Mapped[datetime]


class WithdrawalApproval(Base):
    """One person's signatures; append-only, one a person and Safe transaction."""

    __tablename__ = "withdrawal_approval"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    withdrawal_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[bytes]
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    """Of the Safe transaction, or for a spending key of the order itself."""
    signature: Mapped[bytes]
    payment_signature: Mapped[bytes | None]
    created_at: Mapped[datetime]


class WithdrawalPermit(Base):
    """What the signer permitted, and the outgoing row that carries it; append-only."""

    __tablename__ = "withdrawal_permit"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    withdrawal_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(Integer, primary_key=True)
    safe_tx_hash: Mapped[bytes]
    policy_version: Mapped[int]
    valid_until: Mapped[datetime]
    permit_signature: Mapped[bytes]
    outgoing_id: Mapped[UUID]
    created_at: Mapped[datetime]


class WithdrawalSigned(Base):
    """What an offline signer signed for a cold wallet, as it was brought back; append-only."""

    __tablename__ = "withdrawal_signed"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    withdrawal_id: Mapped[UUID] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str]
    """payment, or cancel: the same nonce, sent to the wallet itself."""
    raw: Mapped[bytes]
    hash: Mapped[bytes]
    created_at: Mapped[datetime]


class WithdrawalSimulation(Base):
    """What the node said that a waiting payment would do; written by the relay alone."""

    __tablename__ = "withdrawal_simulation"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    withdrawal_id: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    """Of what approvers sign: an answer about other bytes is none."""
    method: Mapped[str]
    block_height: Mapped[int | None]
    succeeded: Mapped[bool | None]
    changes: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    cautions: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    asked_at: Mapped[datetime]
    again_at: Mapped[datetime]


class WithdrawalRecipient(Base):
    """Somebody whom it would also pay, by a node's word; append-only."""

    __tablename__ = "withdrawal_recipient"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    withdrawal_id: Mapped[UUID] = mapped_column(primary_key=True)
    address: Mapped[bytes] = mapped_column(primary_key=True)
    screening_id: Mapped[UUID | None]
    """None: one more than are screened, which holds it for good."""
    foretold_at: Mapped[datetime]


class WithdrawalReminder(Base):
    """Whom a job reminded that their signature is waited for; append-only."""

    __tablename__ = "withdrawal_reminder"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    withdrawal_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    people: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Ids of the bundle's people."""
    sentence: Mapped[str]
    at: Mapped[datetime]


class Rate(Base):
    """The newest price that a source of the signed policy stated; verified whenever it is used."""

    __tablename__ = "rate_statement"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    asset: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]]
    signature: Mapped[bytes]
    at: Mapped[datetime]
    received_at: Mapped[datetime]


class FeeQuoteRow(Base):
    """What a chain's last blocks paid, in wei; one row a chain, written by the relay process."""

    __tablename__ = "fee_quote"

    chain_id: Mapped[int] = mapped_column(primary_key=True)
    base_fee_wei: Mapped[Units]
    slow_wei: Mapped[Units]
    normal_wei: Mapped[Units]
    fast_wei: Mapped[Units]
    at: Mapped[datetime]


class HotFloat(Base):
    """How much of an asset shall lie on a hot wallet; append-only, the newest version counts."""

    __tablename__ = "hot_float"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    wallet: Mapped[bytes] = mapped_column(primary_key=True)
    asset: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    min_units: Mapped[Units]
    target_units: Mapped[Units]
    max_units: Mapped[Units]
    active: Mapped[bool]
    set_by: Mapped[str]
    set_at: Mapped[datetime]


class HotProposal(Base):
    """A payment that a float asks for; an initiator signs it, and it is approved as any other."""

    __tablename__ = "hot_proposal"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    wallet: Mapped[bytes]
    asset: Mapped[str]
    kind: Mapped[str]
    """refill: from the vault; return: to the vault."""
    units: Mapped[Units]
    reference: Mapped[str]
    """The order's own: by it one finds the withdrawal."""
    sentence: Mapped[str]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    """Since when the wallet lies within its limits again."""

"""The tables of policy (migrations 0010 and 0018). Triggers keep what was signed and decided."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base


class PolicyBundle(Base):
    """One version of an organisation's policy, with the signatures under it."""

    __tablename__ = "policy_bundle"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    """EIP-712 digest that the administrators signed; the next version names it as previous."""
    content: Mapped[dict[str, Any]]
    signatures: Mapped[list[str]] = mapped_column(JSONB)
    officer_signatures: Mapped[list[str]] = mapped_column(JSONB)
    """Custody officers' signatures: the first version has them, later ones need none."""
    manifest: Mapped[dict[str, Any] | None]
    staged_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    """When the signer's acceptance was recorded here."""


class PolicyDraft(Base):
    """A wording of the next version; another wording is another draft (migration 0018)."""

    __tablename__ = "policy_draft"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    """The version that it would be."""
    source: Mapped[dict[str, Any]]
    """The source document, its address book filled in."""
    content: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The bundle that the compiler made of it; none when it could make none."""
    digest: Mapped[bytes | None]
    """EIP-712 digest of the bundle: what is signed."""
    findings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    note: Mapped[str]
    made_by: Mapped[str]
    """kind:id of who made it."""
    made_at: Mapped[datetime]
    ended_as: Mapped[str | None]
    """published or withdrawn; none = open."""
    ended_by: Mapped[str | None]
    ended_at: Mapped[datetime | None]


class PolicyDraftSignature(Base):
    """One key's signature under a draft; append-only."""

    __tablename__ = "policy_draft_signature"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    draft_id: Mapped[UUID] = mapped_column(primary_key=True)
    address: Mapped[bytes] = mapped_column(primary_key=True)
    person: Mapped[str]
    """Id of the person in the draft, or in the active policy."""
    signature: Mapped[bytes]
    handed_in_by: Mapped[str]
    at: Mapped[datetime]


class BookProposal(Base):
    """Somebody's proposal about one address, and what another decided."""

    __tablename__ = "book_proposal"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """enter (or change what stands there) or retire."""
    address: Mapped[bytes]
    label: Mapped[str]
    owner: Mapped[str]
    """Whose the address is, in the organisation's own words."""
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    why: Mapped[str]
    proposed_by: Mapped[UUID]
    proposed_at: Mapped[datetime]
    outcome: Mapped[str | None]
    """agreed, refused or withdrawn; none = open."""
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class BookProof(Base):
    """How an address was shown to be somebody's; append-only."""

    __tablename__ = "book_proof"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    address: Mapped[bytes]
    method: Mapped[str]
    """eip191, eip712, or test_payment: a transfer of a stated amount into our own address."""
    statement: Mapped[str]
    """The words that were signed, or the amount that was asked for."""
    evidence: Mapped[bytes]
    """The signature (65 bytes), or the hash of the test payment's transaction (32)."""
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime]

"""Tables of identity. `organisation.id` is the UUID made from the genesis's hash."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from strongroom.db.models import Base


class Organisation(Base):
    """A client. Append-only: a new genesis is a new organisation."""

    __tablename__ = "organisation"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    ref: Mapped[bytes] = mapped_column(LargeBinary)
    """keccak-256 of the canonical genesis: what signatures name."""
    name: Mapped[str] = mapped_column(Text)
    chain_id: Mapped[int] = mapped_column(BigInteger)
    account_index: Mapped[int | None]
    """BIP-44 account of the custodian's seed; none for the house."""
    genesis: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime]


class Department(Base):
    """A part of an organisation that rules can name."""

    __tablename__ = "department"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class Person(Base):
    """Somebody of an organisation; `handle` is the person's id in the signed bundle."""

    __tablename__ = "person"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    handle: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    department_id: Mapped[UUID | None]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    address: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The person's own Ethereum address; its key never comes near the service."""
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class Credential(Base):
    """A bearer token's hash, roles and life."""

    __tablename__ = "credential"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID | None]
    label: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of the secret; the secret itself is only with its holder."""
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    version: Mapped[int]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ConsoleSession(Base):
    """A person's time at the console."""

    __tablename__ = "console_session"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    credential_id: Mapped[UUID]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of the cookie's secret."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

"""The table of policy (migration 0010). A trigger keeps an activated bundle as it was signed."""

from datetime import datetime
from typing import Any
from uuid import UUID

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

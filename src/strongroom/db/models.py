"""The base of every room's tables as SQLAlchemy sees them.

The migrations are the truth; a test compares the two.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, LargeBinary, Numeric, Text, TypeDecorator, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, mapped_column


class UnitsType(TypeDecorator[int]):
    """A whole number of smallest units: NUMERIC(78,0) there, int here."""

    impl = Numeric(78, 0)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """An int leaves as an exact Decimal."""
        del dialect
        return None if value is None else Decimal(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        """A Decimal without fraction comes back as an int."""
        del dialect
        return None if value is None else int(value)


Units = Annotated[int, mapped_column(UnitsType())]
"""An amount in the asset's smallest unit."""


class Base(DeclarativeBase):
    """Every model of the service."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        bytes: LargeBinary(),
        int: BigInteger(),
        str: Text(),
        dict[str, Any]: JSONB(),
    }

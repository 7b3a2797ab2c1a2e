"""Claim, act, record: work outside a transaction is fenced by a lease and an attempt number.

The table has `organisation_id`, `id`, `lease_until timestamptz`, `attempt integer`. Claim and
commit; act; then record in a unit that asks `still_mine` first.
"""

import functools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import dict_row

from strongroom.db.database import UnitOfWork


def claim(
    uow: UnitOfWork,
    table: str,
    where: str,
    lease_seconds: float,
    limit: int,
    *,
    parameters: Mapping[str, object] | None = None,
    order: str = "id",
    chain_id: int | None = None,
) -> list[dict[str, Any]]:
    """Lease up to `limit` free rows that fulfil `where`; gives them whole, attempt already raised.

    `where` and `order` are written by us, never by a caller; its values go in `parameters` as
    %(name)s. Rows in other hands are passed over, and those of organisations on another chain.
    """
    values = {
        **(parameters or {}),
        "lease_until": uow.now + timedelta(seconds=lease_seconds),
        "lease_now": uow.now,
        "lease_limit": limit,
        "lease_chain": chain_id,
    }
    cursor = uow.driver.cursor(row_factory=dict_row)
    return cursor.execute(_claiming(table, where, order), values).fetchall()


@functools.cache
def _claiming(table: str, where: str, order: str) -> bytes:
    """The statement, once for each way of asking: a loop asks many times a second."""
    statement = sql.SQL(
        """
        UPDATE {table} AS t SET lease_until = %(lease_until)s, attempt = t.attempt + 1
        FROM (SELECT organisation_id, id FROM {table}
              WHERE ({where}) AND (lease_until IS NULL OR lease_until <= %(lease_now)s)
                AND (%(lease_chain)s::bigint IS NULL OR organisation_id IN
                     (SELECT o.id FROM organisation AS o WHERE o.chain_id = %(lease_chain)s))
              ORDER BY {order} LIMIT %(lease_limit)s FOR UPDATE SKIP LOCKED) AS free
        WHERE (t.organisation_id, t.id) = (free.organisation_id, free.id)
        RETURNING t.*
        """
    ).format(
        table=sql.Identifier(table),
        where=sql.SQL(where),
        order=sql.SQL(order),
    )
    return statement.as_bytes()


def still_mine(
    uow: UnitOfWork, table: str, id_: UUID, attempt: int, *, organisation_id: UUID | None = None
) -> bool:
    """Lock the row and say whether its attempt is still ours; if not, another has taken over."""
    statement = sql.SQL(
        "SELECT 1 FROM {table} WHERE id = %s AND attempt = %s"
        " AND (%s::uuid IS NULL OR organisation_id = %s) FOR UPDATE"
    ).format(table=sql.Identifier(table))
    owner = organisation_id or uow.organisation_id
    return uow.driver.execute(statement, (id_, attempt, owner, owner)).fetchone() is not None


def release(uow: UnitOfWork, table: str, id_: UUID, attempt: int) -> None:
    """Give the row back before the lease ends, where it is still ours."""
    statement = sql.SQL(
        "UPDATE {table} SET lease_until = NULL WHERE id = %s AND attempt = %s"
    ).format(table=sql.Identifier(table))
    uow.driver.execute(statement, (id_, attempt))

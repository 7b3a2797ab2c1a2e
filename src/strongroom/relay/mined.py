"""Our rows that blocks carry: found and locked by id, and changed by one statement for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from strongroom.chain.ports import BlockView, TransactionSeen
from strongroom.db import arrays, rows
from strongroom.db.database import UnitOfWork
from strongroom.relay import attempts
from strongroom.relay.models import Outgoing
from strongroom.relay.revert_loop import reverted


@dataclass(frozen=True, slots=True)
class Carried:
    """A row of ours, locked, one of whose attempts is in a block."""

    organisation_id: UUID
    id: UUID
    purpose: str
    predicted: Sequence[Mapping[str, str]] | None


_MINED: Final = {
    "organisation_id": "uuid",
    "id": "uuid",
    "hash": "bytea",
    "height": "bigint",
    "block_hash": "bytea",
    "succeeded": "boolean",
}
_OVER: Final = {"organisation_id": "uuid", "id": "uuid", "state": "text", "last_error": "text"}


def by_hash(uow: UnitOfWork, hashes: Sequence[bytes]) -> dict[bytes, Carried]:
    """Those of these transactions that are attempts of ours."""
    ours = attempts.among(uow, hashes)
    if not ours:
        return {}
    found = uow.execute(
        "SELECT a.hash, o.organisation_id, o.id, o.purpose, o.predicted FROM outgoing_attempt AS a"
        " JOIN outgoing AS o ON (o.organisation_id, o.id) = (a.organisation_id, a.outgoing_id)"
        " WHERE a.hash = ANY(%s::bytea[]) ORDER BY o.id FOR UPDATE OF o",
        (arrays.octets(ours),),
    )
    return {one: Carried(*rest) for one, *rest in found.fetchall()}


def mark_mined(
    uow: UnitOfWork, carried: Sequence[tuple[Carried, TransactionSeen, BlockView]]
) -> None:
    """These rows are `mined`, each in its block. Whoever works on one has lost it."""
    given = [
        {
            "organisation_id": row.organisation_id,
            "id": row.id,
            "hash": seen.hash,
            "height": block.height,
            "block_hash": block.hash,
            "succeeded": seen.status,
        }
        for row, seen, block in carried
    ]
    if given:
        uow.execute(
            "UPDATE outgoing AS o SET state = 'mined', succeeded = r.succeeded,"  # noqa: S608 - own
            " mined_hash = r.hash, mined_height = r.height, mined_block_hash = r.block_hash,"
            f" lease_until = NULL, updated_at = %s FROM {rows.unnest(_MINED)}"
            " WHERE (o.organisation_id, o.id) = (r.organisation_id, r.id)",
            (uow.now, *rows.parameters(_MINED, given)),
        )
        _forget(uow)


def mark_over(uow: UnitOfWork, chain_id: int, blocks: Sequence[BlockView]) -> None:
    """What these blocks carry of ours is over: paid, cancelled, or reverted."""
    found = uow.execute(
        "SELECT o.organisation_id, o.id, o.succeeded, a.kind, o.revert_reason, o.last_error"
        " FROM outgoing AS o JOIN outgoing_attempt AS a ON a.hash = o.mined_hash"
        " WHERE o.chain_id = %s AND o.state = 'mined' AND o.mined_height = ANY(%s)"
        " AND o.mined_block_hash = ANY(%s) ORDER BY o.id FOR UPDATE OF o",
        (chain_id, [block.height for block in blocks], [block.hash for block in blocks]),
    ).fetchall()
    given = [
        {
            "organisation_id": owner,
            "id": row_id,
            "state": ("cancelled" if kind == "cancel" else "finalized") if paid else "failed",
            "last_error": said if paid else reverted(reason),
        }
        for owner, row_id, paid, kind, reason, said in found
    ]
    if given:
        uow.execute(
            "UPDATE outgoing AS o SET state = r.state, last_error = r.last_error,"  # noqa: S608 - own
            f" updated_at = %s FROM {rows.unnest(_OVER)}"
            " WHERE (o.organisation_id, o.id) = (r.organisation_id, r.id)",
            (uow.now, *rows.parameters(_OVER, given)),
        )
        _forget(uow)


def reopen(uow: UnitOfWork, chain_id: int, block: BlockView) -> set[bytes]:
    """What this block carried of ours is on its way again; gives the keys that sent it."""
    found = uow.execute(
        "UPDATE outgoing AS o SET state = 'broadcast', succeeded = NULL, mined_hash = NULL,"
        " mined_height = NULL, mined_block_hash = NULL, revert_reason = NULL, last_error = NULL,"
        " due_at = %(now)s, updated_at = %(now)s"
        " FROM (SELECT organisation_id, id FROM outgoing WHERE chain_id = %(chain)s"
        "        AND state = 'mined' AND mined_height = %(height)s AND mined_block_hash = %(hash)s"
        "       ORDER BY id FOR UPDATE) AS m"
        " WHERE (o.organisation_id, o.id) = (m.organisation_id, m.id) RETURNING o.sender",
        {"now": uow.now, "chain": chain_id, "height": block.height, "hash": block.hash},
    ).fetchall()
    _forget(uow)
    return {bytes(sender) for (sender,) in found}


def _forget(uow: UnitOfWork) -> None:
    """What the session read of these rows before is no longer so."""
    for one in list(uow.session):
        if isinstance(one, Outgoing):
            uow.session.expire(one)

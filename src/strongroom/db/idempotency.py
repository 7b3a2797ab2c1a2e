"""One request, one effect: the key is taken first, the answer is stored in the same unit.

A key belongs to one body for ever. An error rolls the unit back and so gives the key free again.
"""

from dataclasses import dataclass

from strongroom.db.database import UnitOfWork
from strongroom.db.errors import IdempotencyConflict
from strongroom.kit.check import check


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered: the body is JSON text, given back byte for byte."""

    status: int
    body: str


def begin(uow: UnitOfWork, key: str, body_hash: bytes) -> StoredAnswer | None:
    """Take the key (first statement of the unit) or give the answer stored under it.

    Waits while another unit holds the key. Raises IdempotencyConflict for another body.
    """
    taken = uow.execute(
        "INSERT INTO idempotency (organisation_id, key, body_hash, created_at)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (organisation_id, key) DO NOTHING RETURNING 1",
        (uow.organisation_id, key, body_hash, uow.now),
    ).fetchone()
    return None if taken else stored(uow, key, body_hash)


def finish(uow: UnitOfWork, key: str, status: int, body: str) -> None:
    """Store the answer under the key that this unit has taken; `body` is JSON text."""
    done = uow.execute(
        "UPDATE idempotency SET status = %s, answer = %s"
        " WHERE organisation_id = %s AND key = %s AND status IS NULL",
        (status, body, uow.organisation_id, key),
    ).rowcount
    check(done == 1, "an answer is stored once, under a key that the same unit has taken")


def stored(uow: UnitOfWork, key: str, body_hash: bytes) -> StoredAnswer | None:
    """The answer under a key, only read; raises IdempotencyConflict for another body."""
    found = uow.execute(
        "SELECT body_hash, status, answer::text FROM idempotency"
        " WHERE organisation_id = %s AND key = %s",
        (uow.organisation_id, key),
    ).fetchone()
    if found is None:
        return None
    if bytes(found[0]) != body_hash:
        raise body_differs(key)
    check(found[1] is not None, "a committed idempotency key has its answer")
    return StoredAnswer(found[1], found[2])


def body_differs(key: str) -> IdempotencyConflict:
    """The error for a key that was used with another body."""
    return IdempotencyConflict(
        "This Idempotency-Key was used before with another body, and a key stands for one request. "
        "Send the same body to get the same answer, or a new key for a new request.",
        detail={"key": key},
    )

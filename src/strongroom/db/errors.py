"""What can go wrong between the service and PostgreSQL, mapped once from the driver's errors."""

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from strongroom.kit.errors import Conflict, StrongroomError, Unavailable


class DatabaseUnavailable(Unavailable):
    """PostgreSQL is away, or has no connection free."""

    code = "database.unavailable"


class CommitUnknown(DatabaseUnavailable):
    """The connection broke during the commit: it may have happened or not. Ask by the same key."""

    code = "database.commit_unknown"


class TransactionConflict(Unavailable):
    """Two transactions stood in each other's way; one was undone whole. Try again."""

    code = "database.conflict"


class LockTimeout(Unavailable):
    """Somebody held a row for longer than the lock time-out."""

    code = "database.lock_timeout"


class IdempotencyConflict(Conflict):
    """The key was used before with another body."""

    code = "idempotency.body_differs"


class NotLeader(Unavailable):
    """Another process leads now; this one must stop acting."""

    code = "database.not_leader"


_AWAY = frozenset({"57P01", "57P02", "57P03", "53300", "08000", "08003", "08006"})
"""Shutting down, crashed, starting, full, and broken connections (PostgreSQL, appendix A)."""
_CONFLICTS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


def translate(error: BaseException) -> StrongroomError | None:
    """The error of ours for a driver's error, or None when it is not about the connection."""
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable(
            "Every database connection of this process is busy. Send the request again in a moment."
        )
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, _CONFLICTS):
        return TransactionConflict(
            "Two transactions met on the same rows and this one was undone. Send it again."
        )
    if isinstance(cause, psycopg.errors.LockNotAvailable):
        return LockTimeout(
            "A row that is needed stayed locked for longer than five seconds. Send it again."
        )
    if is_disconnect(error):
        return DatabaseUnavailable(
            "The database can't be reached just now; nothing was changed. Send the request again."
        )
    return None


def is_disconnect(error: BaseException) -> bool:
    """Whether the connection is gone, as opposed to a statement that was refused."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, SQLAlchemyError) and getattr(error, "connection_invalidated", False):
        return True
    if isinstance(cause, psycopg.errors.AdminShutdown | psycopg.errors.CrashShutdown):
        return True
    if isinstance(cause, psycopg.InterfaceError):
        return True
    return isinstance(cause, psycopg.OperationalError) and (
        cause.sqlstate is None or cause.sqlstate in _AWAY
    )

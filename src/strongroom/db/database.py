"""One engine a process, and the unit of work: the only place that commits.

The first statement of an organisation's unit sets it for row-level security until the transaction
ends. Everything inside is one transaction; a clean exit commits, an error rolls back. Services
never commit.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import psycopg
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from strongroom.db.actor import Actor
from strongroom.db.errors import CommitUnknown, is_disconnect, translate
from strongroom.kit.clock import Clock
from strongroom.kit.crash import crash_point
from strongroom.kit.ids import RandomBits, new_id
from strongroom.kit.log import request_id as current_request_id

_SETTINGS = (
    "-c lock_timeout=5000 -c statement_timeout=60000 "
    "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC -c jit=off"
)
_BEGIN = "SELECT set_config('strongroom.org', %s, true)"
_BEGIN_READ = (
    "SELECT set_config('strongroom.org', %s, true), set_config('transaction_read_only', 'on', true)"
)
_BEGIN_ALL_READ = "SET TRANSACTION READ ONLY"


class UnitOfWork:
    """What a service works in. `now` is one moment for the whole unit."""

    def __init__(
        self,
        session: Session,
        organisation_id: UUID | None,
        actor: Actor,
        request_id: str,
        clock: Clock,
        bits: RandomBits,
    ) -> None:
        """Made by Database only."""
        self.session = session
        self.organisation_id = organisation_id
        self.actor = actor
        self.request_id = request_id
        self.now: datetime = clock.now()
        self._clock = clock
        self._bits = bits
        self._driver: psycopg.Connection[tuple[Any, ...]] | None = None

    def new_id(self) -> UUID:
        """A new UUIDv7."""
        return new_id(self._clock, self._bits)

    @property
    def driver(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The driver's connection inside this transaction, for COPY and pipelines."""
        if self.session.new or self.session.dirty or self.session.deleted:
            self.session.flush()
        if self._driver is None:
            self._driver = cast(
                "psycopg.Connection[tuple[Any, ...]]",
                self.session.connection().connection.driver_connection,
            )
        return self._driver

    def execute(
        self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """One SQL statement with psycopg's %s or %(name)s, after flushing the session."""
        return self.driver.execute(sql.encode(), parameters)


class Database:
    """The connections of one process to PostgreSQL."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        pool_size: int = 15,
        application_name: str,
        bits: RandomBits = secrets.randbits,
    ) -> None:
        """`url` names the role; the role decides what this process may see."""
        self.clock = clock
        self.url = url
        self._bits = bits
        self.pool_size = pool_size
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            connect_args={
                "application_name": application_name,
                "options": _SETTINGS,
                "connect_timeout": 5,
            },
        )
        self._looking = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def unit(
        self, organisation_id: UUID | None, actor: Actor, *, request_id: str | None = None
    ) -> Iterator[UnitOfWork]:
        """One transaction for one organisation (None: a process role that serves all).

        Raises DatabaseUnavailable, CommitUnknown, TransactionConflict, LockTimeout.
        """
        begin = None if organisation_id is None else _BEGIN
        with self._session(begin, organisation_id, actor, request_id) as uow:
            yield uow
            uow.session.flush()
            crash_point("commit.before")
            _commit(uow.session)
            crash_point("commit.after")

    @contextmanager
    def read(self, organisation_id: UUID | None, actor: Actor) -> Iterator[UnitOfWork]:
        """The same, but PostgreSQL refuses to write; nothing is committed."""
        begin = _BEGIN_ALL_READ if organisation_id is None else _BEGIN_READ
        with self._session(begin, organisation_id, actor, None) as uow:
            yield uow

    def any(self, sql: str, values: Mapping[str, Any] | None = None) -> bool:
        """Whether this SELECT finds a row, outside of any unit: for loops of a role that serves
        all, which ask often and mostly in vain. Raises DatabaseUnavailable.
        """
        try:
            with self._looking.connect() as connection:
                found = connection.exec_driver_sql(f"SELECT EXISTS ({sql})", dict(values or {}))
                return bool(found.scalar_one())
        except SQLAlchemyError as error:
            raise translate(error) or error from error

    def ping(self) -> None:
        """A health check: raises DatabaseUnavailable when PostgreSQL does not answer."""
        with self.read(None, Actor("system", "health")):
            return

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _session(
        self, begin: str | None, organisation_id: UUID | None, actor: Actor, request_id: str | None
    ) -> Iterator[UnitOfWork]:
        session = Session(self.engine, expire_on_commit=False)
        request = request_id or current_request_id.get()
        uow = UnitOfWork(session, organisation_id, actor, request, self.clock, self._bits)
        try:
            # Where no organisation is set, none is left over either: it ends with its transaction.
            if begin is not None:
                uow.execute(begin, None if organisation_id is None else (str(organisation_id),))
            yield uow
        except Exception as error:
            if is_disconnect(error):
                session.invalidate()
            known = translate(error)
            if known is None:
                raise
            raise known from error
        finally:
            _close(session)


def _close(session: Session) -> None:
    """What was to be kept is committed, so a connection that breaks here takes nothing along."""
    try:
        session.close()
    except DBAPIError as error:
        if not is_disconnect(error):
            raise
        session.invalidate()


def _commit(session: Session) -> None:
    try:
        session.commit()
    except Exception as error:
        if is_disconnect(error):
            session.invalidate()
            raise CommitUnknown(
                "The database went away during the commit, so it is not known whether the request "
                "took effect. Send it again with the same idempotency key: it can't happen twice."
            ) from error
        raise

"""One leader a loop: elected by an advisory lock on a direct connection, fenced by an epoch.

The lock dies with its connection; a leader that does not know it yet is stopped by `fence`, because
its successor has raised the epoch. The connection must not go through a transaction pooler.
"""

import os
import socket
import zlib
from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy import make_url

from strongroom.db.database import UnitOfWork
from strongroom.db.errors import NotLeader
from strongroom.kit.log import logger


class Leader:
    """A candidate for one name. Not for use by several threads at once."""

    def __init__(self, dsn: str, name: str) -> None:
        """`dsn` is a URL like the database's own."""
        self._dsn = make_url(dsn).set(drivername="postgresql").render_as_string(hide_password=False)
        self._key = 0x5347_0000_0000 | zlib.crc32(name.encode())
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self.name = name
        self.epoch = 0

    def lead(self) -> bool:
        """True while this candidate leads; tries to be elected when nobody does."""
        try:
            if self._connection is not None:
                self._connection.execute("SELECT 1")
                return True
            return self._elect()
        except psycopg.Error as error:
            logger(__name__).warning("leader.lost", name=self.name, reason=str(error))
            self.resign()
            return False

    def fence(self, uow: UnitOfWork) -> None:
        """In the unit that writes as the leader: raises NotLeader once another one was elected."""
        found = uow.execute(
            "SELECT epoch FROM leader_epoch WHERE name = %s FOR SHARE", (self.name,)
        ).fetchone()
        if self._connection is None or found is None or found[0] != self.epoch:
            raise NotLeader(f"Another process leads {self.name} now; this one has stopped.")

    def resign(self) -> None:
        """Let another one lead."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        """Resigns at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Resign."""
        self.resign()

    def _elect(self) -> bool:
        connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=5)
        try:
            locked = connection.execute("SELECT pg_try_advisory_lock(%s)", (self._key,)).fetchone()
            if not locked or not locked[0]:
                connection.close()
                return False
            raised = connection.execute(
                "INSERT INTO leader_epoch AS l (name, epoch, holder, since)"
                " VALUES (%s, 1, %s, clock_timestamp())"
                " ON CONFLICT (name) DO UPDATE SET epoch = l.epoch + 1, holder = excluded.holder,"
                " since = excluded.since RETURNING epoch",
                (self.name, f"{socket.gethostname()}:{os.getpid()}"),
            ).fetchone()
        except psycopg.Error:
            connection.close()
            raise
        self.epoch = int(str(raised[0])) if raised else 0
        self._connection = connection
        logger(__name__).info("leader.elected", name=self.name, epoch=self.epoch)
        return True

"""Organisations, accounts and postings for tests of the books."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg
import pytest

from strongroom.auditlog import service as auditlog
from strongroom.db.actor import Actor
from strongroom.db.database import Database
from strongroom.kit.clock import Clock, SystemClock
from strongroom.ledger import invariants, service
from strongroom.ledger.commands import PostingCommand
from strongroom.ledger.types import AccountRef, Balance, Leg, Posting, PostingResult
from tests.factories.parts.postgres import TestDatabase

EUR = "EUR/2"
ACTOR = Actor("person", "ada", 1)
CODES = ("fiat:bank:main", "client:a", "client:b", "client:c", "house:fees", "suspense:unscreened")


def make_organisation(found: TestDatabase, name: str = "Test") -> UUID:
    """A bare organisation row; gives its id."""
    made = uuid4()
    with psycopg.connect(found.conninfo(), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO organisation (id, ref, name, chain_id, genesis, created_at)"
            " VALUES (%s, %s, %s, 31337, '{}', now())",
            (made, made.bytes * 2, name),
        )
    return made


@dataclass
class Connections:
    """Databases as processes of any role have them, closed at the end of the test."""

    found: TestDatabase
    opened: list[Database] = field(default_factory=list)

    def __call__(
        self,
        role: str = "strongroom_api",
        *,
        clock: Clock | None = None,
        pool_size: int = 15,
    ) -> Database:
        """Connect as `role`."""
        self.opened.append(
            Database(
                self.found.url(role),
                clock=clock or SystemClock(),
                pool_size=pool_size,
                application_name="test",
            )
        )
        return self.opened[-1]

    def close(self) -> None:
        """Close them all."""
        for database in self.opened:
            database.close()


@pytest.fixture
def connect(database: TestDatabase) -> Iterator[Connections]:
    """Connect to the test's database as any role."""
    connections = Connections(database)
    yield connections
    connections.close()


@pytest.fixture
def books(connect: Connections) -> "Books":
    """The books of a new organisation, its usual accounts open."""
    return make_books(connect)


@dataclass
class Books:
    """One organisation's books through the service's own door."""

    database: Database
    """As the API, which may book little by itself."""
    organisation: UUID
    connect: Connections
    codes: Sequence[str] = field(default=CODES)
    worker: Database | None = None

    @property
    def door(self) -> Database:
        """As the worker, which may book any posting of the ledger's own tests."""
        return self.worker or self.database

    def open(self, asset: str = EUR, codes: Sequence[str] | None = None) -> None:
        """Open the usual accounts."""
        with self.database.unit(self.organisation, ACTOR) as uow:
            service.open_accounts(
                uow, [AccountRef(self.organisation, code, asset) for code in codes or self.codes]
            )

    def posting(self, key: str, *legs: tuple[str, str, int], **more: object) -> Posting:
        """Legs as (debit, credit, units) in EUR."""
        asset = str(more.pop("asset", EUR))
        return Posting(
            self.organisation,
            key,
            "test",
            tuple(Leg(debit, credit, asset, units) for debit, credit, units in legs),
            **more,  # type: ignore[arg-type]
        )

    def post(self, *postings: Posting) -> list[PostingResult]:
        """One unit of work: the postings, and a record of those that were taken."""
        with self.door.unit(self.organisation, ACTOR) as uow:
            results = service.post(uow, postings)
            taken = [one for one, result in zip(postings, results, strict=True) if not result.code]
            auditlog.append(uow, "test", "test", {}, rows=service.rows(taken))
            return results

    def codes_of(self, *postings: Posting) -> list[str]:
        """The refusal's code, or the outcome, a posting."""
        return [result.code or result.outcome for result in self.post(*postings)]

    def fund(self, code: str, units: int, key: str | None = None) -> None:
        """Money from the bank into a client's account."""
        (result,) = self.post(
            self.posting(key or f"fund:{uuid4()}", ("fiat:bank:main", code, units))
        )
        assert result.outcome == "posted", result

    def balance(self, code: str, asset: str = EUR) -> Balance:
        """An account's balance now."""
        with self.door.read(self.organisation, ACTOR) as uow:
            (found,) = [
                one
                for one in service.balances(uow, self.organisation)
                if (one.code, one.asset) == (code, asset)
            ]
        return found

    def command(self, key: str, *legs: tuple[str, str, int], **more: object) -> PostingCommand:
        """A command as a route would hand it to the writer."""
        body = repr((key, legs, more)).encode()
        return PostingCommand(
            posting=self.posting(f"transfer:{key}", *legs),
            actor=ACTOR,
            request_id=f"request-{key}",
            idempotency_key=key,
            body_hash=(body * 32)[:32] if "body_hash" not in more else more["body_hash"],  # type: ignore[arg-type]
            status=201,
            answer={"key": key},
            action="payment.booked",
        )

    def broken(self) -> list[str]:
        """The invariants of the books that do not hold."""
        with self.connect("strongroom_worker", pool_size=1).read(None, ACTOR) as uow:
            return invariants.broken(uow)

    def assert_sound(self) -> None:
        """Every invariant of the books holds."""
        found = self.broken()
        assert not found, found


def make_books(connect: Connections, *, clock: Clock | None = None, pool_size: int = 15) -> Books:
    """A new organisation with the usual accounts open."""
    worker = connect("strongroom_worker", clock=clock, pool_size=pool_size)
    database = connect(clock=clock, pool_size=3)
    books = Books(database, make_organisation(connect.found), connect, worker=worker)
    books.open()
    return books

"""A real PostgreSQL a session; a database of its own a test, cloned from a migrated template."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import psycopg
import pytest

from strongroom.cli.dev.postgres import SUPERUSER, EmbeddedPostgres
from strongroom.cli.dev.program import running
from tests.factories.parts.place import short_folder

TEMPLATE = "template_strongroom"


@dataclass(frozen=True)
class TestDatabase:
    """One database. URLs are SQLAlchemy's; give each process its own role, as production does."""

    __test__ = False

    server: EmbeddedPostgres
    name: str

    def url(self, role: str) -> str:
        """SQLAlchemy URL for a role: "strongroom_api", "strongroom_owner", …"""
        return self.server.url(role, self.name)

    def conninfo(self, role: str = SUPERUSER) -> str:
        """libpq URL, for psycopg.connect; a superuser sees through row-level security."""
        return self.server.conninfo(role, self.name)

    @property
    def owner(self) -> str:
        """URL of the role that owns the tables."""
        return self.url("strongroom_owner")

    @property
    def superuser(self) -> str:
        """URL of the superuser, for arranging and looking, never for the code under test."""
        return self.url(SUPERUSER)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server for the session; not durable, so not for tests that kill PostgreSQL."""
    with short_folder("pg") as folder:
        server = EmbeddedPostgres(folder / "data", folder / "postgres.log", durable=False)
        server.prepare()
        with running(server.program()):
            yield server


@pytest.fixture(scope="session")
def template_database(postgres: EmbeddedPostgres) -> str:
    """Name of a database with every migration in it; cloned, never written to."""
    from strongroom.db.migrate import migrate  # noqa: PLC0415 - unit tests load no database

    migrate(postgres.url(database=TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def database_numbers() -> Iterator[int]:
    """Numbers that tell one test's database from the next."""
    return count(1)


@pytest.fixture
def database(
    postgres: EmbeddedPostgres, template_database: str, database_numbers: Iterator[int]
) -> Iterator[TestDatabase]:
    """Give the test a migrated database of its own; it is dropped afterwards."""
    name = f"test_{next(database_numbers)}"
    with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
        yield TestDatabase(postgres, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def durable_postgres() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own with fsync on, prepared but not started: it may be killed."""
    with short_folder("pgd") as folder:
        server = EmbeddedPostgres(folder / "data", folder / "postgres.log")
        server.prepare()
        yield server

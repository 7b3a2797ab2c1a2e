"""From an empty PostgreSQL to the newest schema: database, roles, migrations.

`migrate` is what `strongroom db migrate` calls. A superuser's URL makes database and roles first
and then works as strongroom_owner; the owner's own URL only migrates.
"""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

OWNER: Final = "strongroom_owner"
_HERE: Final = Path(__file__).parent
_ONE_AT_A_TIME: Final = 7_210_001
"""Advisory lock key: two migrators of one cluster wait for each other."""


def migrate(url: str, *, target: str = "head") -> None:
    """Create what is missing and bring the schema to `target`. Safe to run again."""
    address = make_url(url)
    if _is_superuser(address):
        prepare_cluster(address)
    upgrade(address, target)


def prepare_cluster(address: URL) -> None:
    """Make the roles and the database named in `address`; needs a superuser."""
    engine = create_engine(
        address.set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ONE_AT_A_TIME})
        connection.exec_driver_sql(
            (_HERE / "roles.sql").read_text("utf-8"), execution_options={"no_parameters": True}
        )
        found = connection.scalar(
            text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": address.database}
        )
        if not found:
            name = connection.dialect.identifier_preparer.quote(str(address.database))
            connection.exec_driver_sql(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE template0")
    engine.dispose()
    _own_public_schema(address)


def upgrade(address: URL, target: str = "head") -> None:
    """Run the migrations that are missing, each in its own transaction, as the owner."""
    engine = create_engine(address, poolclass=NullPool)
    config = AlembicConfig()
    config.set_main_option("script_location", str(_HERE / "migrations"))
    with engine.connect() as connection:
        connection.execute(text(f"SET ROLE {OWNER}"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ONE_AT_A_TIME})
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, target)
        connection.commit()
    engine.dispose()


def current_revision(connection: Connection) -> str | None:
    """The newest migration that ran here, or None before the first."""
    if connection.scalar(text("SELECT to_regclass('public.alembic_version')")) is None:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _is_superuser(address: URL) -> bool:
    engine = create_engine(address.set(database="postgres"), poolclass=NullPool)
    with engine.connect() as connection:
        answer = connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = user"))
    engine.dispose()
    return bool(answer)


def _own_public_schema(address: URL) -> None:
    engine = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"ALTER SCHEMA public OWNER TO {OWNER}"))
    engine.dispose()

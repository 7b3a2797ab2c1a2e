"""The models say what the migrations made; the migrations are the truth."""

import importlib
import pkgutil
from typing import Any

import psycopg
import pytest
from sqlalchemy import Integer, create_engine, inspect
from sqlalchemy.dialects import postgresql

import strongroom
from strongroom.db.models import Base

UNTAUGHT = {"alembic_version"}
"""Tables that no model speaks of."""


@pytest.fixture(scope="module")
def models() -> dict[str, object]:
    for found in pkgutil.walk_packages(strongroom.__path__, "strongroom."):
        if found.name.rpartition(".")[2] in {"models", "tables"}:
            importlib.import_module(found.name)
    return dict(Base.metadata.tables)


def _kind(column: Any) -> str:
    """A column's type in PostgreSQL's words, domains being their base, integers of any width."""
    kind: Any = column["type"] if isinstance(column, dict) else column.type
    if isinstance(kind, postgresql.DOMAIN):
        kind = kind.data_type
    kind = getattr(kind, "impl_instance", kind)
    if isinstance(kind, Integer):
        return "INTEGER"
    return str(kind.compile(dialect=postgresql.dialect())).split(" COLLATE")[0]


def test_each_model_has_the_columns_that_the_migrations_made(database, models):
    engine = create_engine(database.superuser)
    told = []
    with engine.connect() as connection:
        there = inspect(connection)
        for name, table in sorted(models.items()):
            if not there.has_table(name):
                told.append(f"{name}: a model without a table")
                continue
            columns = {column["name"]: column for column in there.get_columns(name)}
            for missing in sorted(columns.keys() ^ table.columns.keys()):
                side = "table" if missing in columns else "model"
                told += [f"{name}.{missing}: only in the {side}"]
            for column in table.columns:
                found = columns.get(column.name)
                if found is None:
                    continue
                if not (mine := _kind(column)).startswith(theirs := _kind(found)):
                    told.append(f"{name}.{column.name}: model {mine}, table {theirs}")
                if bool(column.nullable) != found["nullable"]:
                    told.append(f"{name}.{column.name}: NULL in one, NOT NULL in the other")
            keys = set(there.get_pk_constraint(name)["constrained_columns"])
            if keys != {column.name for column in table.primary_key}:
                told.append(f"{name}: primary key is {sorted(keys)}")
    engine.dispose()
    assert told == []


def test_no_table_is_without_a_model(database, models):
    with psycopg.connect(database.conninfo()) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
    assert {name for (name,) in found} - models.keys() - UNTAUGHT == set()


def test_every_table_with_an_organisation_has_forced_row_level_security(database):
    with psycopg.connect(database.conninfo()) as connection:
        found = connection.execute(
            """
            SELECT c.relname FROM pg_class AS c
            JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'organisation_id'
            WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
              AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
            """
        ).fetchall()
    # A count an organisation, written by the sequencer only; it tells nobody more than a number.
    assert {name for (name,) in found} <= {"log_organisation"}

"""The way from an empty server to the newest schema, and `strongroom log verify` on it."""

import psycopg
from sqlalchemy import make_url

from strongroom.auditlog.sequencer import Sequencer
from strongroom.cli import db as db_command
from strongroom.cli import log as log_command
from strongroom.db.migrate import OWNER, migrate, upgrade

NEWEST = "0029"


def test_migrating_again_changes_nothing_and_the_owner_needs_no_superuser(
    database, monkeypatch, capsys
):
    migrate(database.superuser)
    upgrade(make_url(database.owner))
    monkeypatch.setenv("STRONGROOM_OWNER_DATABASE_URL", database.superuser)
    assert db_command.run(["revision"]) == 0
    assert NEWEST in capsys.readouterr().out
    assert db_command.run(["sideways"]) == 2
    monkeypatch.delenv("STRONGROOM_OWNER_DATABASE_URL")
    assert db_command.run(["migrate"]) == 2
    assert "STRONGROOM_OWNER_DATABASE_URL is not set" in capsys.readouterr().err


def test_everything_belongs_to_the_owner_and_no_role_is_too_strong(database):
    with psycopg.connect(database.conninfo()) as connection:
        strangers = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relowner <> %s::regrole",
            (OWNER,),
        ).fetchall()
        strong = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'strongroom%'"
            " AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)"
        ).fetchall()
        entries = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'strongroom%' AND NOT rolcanlogin"
        ).fetchall()
    assert (strangers, strong) == ([], [])
    assert sorted(entries) == [("strongroom_identity",), ("strongroom_ledger",)]


def test_no_function_that_crosses_organisations_is_open_to_all(database):
    with psycopg.connect(database.conninfo()) as connection:
        found = connection.execute(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
            " AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))"
        ).fetchall()
        unpinned = connection.execute(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
            " AND NOT coalesce(array_to_string(proconfig, ','), '') LIKE '%search_path=pg_catalog%'"
        ).fetchall()
    assert (found, unpinned) == ([], [])


def test_log_verify_says_what_is_broken(books, connect, monkeypatch, capsys):
    books.fund("client:a", 5)
    Sequencer(connect("strongroom_relay", pool_size=1)).step()
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", connect.found.url("strongroom_worker"))
    assert log_command.run(["verify"]) == 0
    assert "1 records, signed up to 0: all fits" in capsys.readouterr().out
    with psycopg.connect(connect.found.conninfo()) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE ledger_posting SET units = 6")
    assert log_command.run(["verify"]) == 1
    said = capsys.readouterr().out
    assert "sum and number of its entries" in said
    assert "that row says the same" in said
    assert log_command.run([]) == 2

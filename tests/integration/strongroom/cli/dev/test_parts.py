"""Each embedded part, as tests and the supervisor get it."""

import os
import signal
import time

import psycopg
import redis

from strongroom.cli.dev.anvil import anvil_program
from strongroom.cli.dev.postgres import EmbeddedPostgres
from strongroom.cli.dev.probes import call
from strongroom.cli.dev.program import running
from strongroom.cli.dev.softhsm import SoftToken
from tests.factories.parts.anvil import Chain
from tests.factories.parts.place import REPOSITORY, free_port, short_folder
from tests.factories.parts.postgres import TestDatabase


def test_each_test_gets_a_migrated_database_of_its_own(database: TestDatabase) -> None:
    with psycopg.connect(database.conninfo()) as connection:
        row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        assert row == (True,)
        connection.execute("CREATE TABLE left_behind (id int)")


def test_what_one_test_leaves_the_next_does_not_see(database: TestDatabase) -> None:
    with psycopg.connect(database.conninfo()) as connection:
        row = connection.execute("SELECT to_regclass('left_behind')").fetchone()
        assert row == (None,)


def test_the_service_roles_are_no_superusers_and_do_not_skip_row_security(
    database: TestDatabase,
) -> None:
    with psycopg.connect(database.conninfo("strongroom_api")) as connection:
        row = connection.execute(
            "SELECT current_user::text, rolsuper, rolbypassrls FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
    assert row == ("strongroom_api", False, False)


def test_postgres_killed_by_force_keeps_what_was_committed(
    durable_postgres: EmbeddedPostgres,
) -> None:
    with running(durable_postgres.program()) as server:
        with psycopg.connect(durable_postgres.conninfo(), autocommit=True) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        os.killpg(server.pid, signal.SIGKILL)
        server.kill()
    with running(durable_postgres.program()), psycopg.connect(durable_postgres.conninfo()) as again:
        assert again.execute("SELECT value FROM kept").fetchone() == (7,)


def test_a_chain_mines_only_when_told_and_finalizes_two_behind(anvil: Chain) -> None:
    time.sleep(1.2)
    assert anvil.height() == 0
    assert anvil.mine(5) == 5
    finalized = anvil.rpc("eth_getBlockByNumber", "finalized", False)
    assert isinstance(finalized, dict)
    assert int(finalized["number"], 16) == 3


def test_a_chain_survives_a_restart_and_answers_for_its_finalized_block() -> None:
    port = free_port()
    with short_folder("av") as folder:
        program = anvil_program(
            REPOSITORY, folder / "log", port, state=folder / "state.json", block_seconds=None
        )
        with running(program):
            call(port, "anvil_mine", "0x64")
            before = call(port, "eth_getBlockByNumber", "0x32", False)
        with running(program):
            assert call(port, "eth_getBlockByNumber", "0x32", False) == before
            head = int(str(call(port, "eth_blockNumber")), 16)
            finalized = call(port, "eth_getBlockByNumber", "finalized", False)
            assert isinstance(finalized, dict)
            assert int(finalized["number"], 16) == head - 2
            assert call(port, "eth_getBalance", "0x" + "00" * 20, finalized["number"]) == "0x0"


def test_valkey_is_empty_for_each_test(valkey: str) -> None:
    with redis.Redis.from_url(valkey) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_valkey_is_empty_again(valkey: str) -> None:
    test_valkey_is_empty_for_each_test(valkey)


def test_a_soft_token_is_alone_in_its_folder(softhsm: SoftToken) -> None:
    environment = softhsm.environment()
    assert environment["SOFTHSM2_CONF"].startswith(str(softhsm.folder))
    assert list((softhsm.folder / "objects").iterdir()) == []

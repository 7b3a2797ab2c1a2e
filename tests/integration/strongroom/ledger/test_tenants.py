"""P3: row-level security and the door's own check, asked as the plain role that production uses."""

import psycopg
import pytest

from strongroom.ledger import service
from tests.factories.books import ACTOR, make_books, make_organisation

TABLES = ("ledger_account", "ledger_balance", "ledger_transaction", "ledger_posting")


def test_the_service_is_no_superuser_and_owns_nothing(connect):
    with connect().read(None, ACTOR) as uow:
        found = uow.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = user"
        ).fetchone()
        owned = uow.execute(
            "SELECT count(*) FROM pg_class WHERE relowner = user::regrole"
        ).fetchone()
    assert (found, owned) == ((False, False, False), (0,))


def test_another_organisations_books_are_not_there(books, connect):
    books.fund("client:a", 5)
    stranger = make_organisation(connect.found)
    with books.database.read(stranger, ACTOR) as uow:
        for table in TABLES:
            assert uow.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    # The trap: a pooled connection's second use finds the setting empty, not unset.
    with books.database.read(None, ACTOR) as uow:
        for table in TABLES:
            assert uow.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_the_door_books_only_for_the_organisation_of_the_unit(books, connect):
    other = make_books(connect)
    other.fund("client:a", 50)
    theft = other.posting("theft", ("client:a", "client:b", 50))
    with books.database.unit(books.organisation, ACTOR) as uow:
        assert service.post(uow, [theft])[0].code == "ledger.other_organisation"
    with books.database.unit(None, ACTOR) as uow:
        assert service.post(uow, [theft])[0].code == "ledger.other_organisation"
    assert other.balance("client:a").posted == 50


def test_the_role_cannot_be_changed_into_one_that_serves_all(books):
    with (
        books.database.unit(None, ACTOR) as uow,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        uow.execute("SET LOCAL ROLE strongroom_indexer")


def test_the_indexer_books_for_every_organisation_in_one_call(books, connect):
    other = make_books(connect)
    with connect("strongroom_indexer").unit(None, ACTOR) as uow:
        results = service.post(
            uow,
            [
                books.posting("block:1", ("fiat:bank:main", "client:a", 5)),
                other.posting("block:1", ("fiat:bank:main", "client:a", 7)),
            ],
        )
    assert [result.outcome for result in results] == ["posted", "posted"]
    assert (books.balance("client:a").posted, other.balance("client:a").posted) == (5, 7)


def test_accounts_of_others_can_not_be_opened(books, connect):
    other = make_organisation(connect.found)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        books.database.unit(books.organisation, ACTOR) as uow,
    ):
        uow.execute(
            "SELECT ledger_open_accounts(now(), %s::uuid[], '{client:x}', '{EUR/2}',"
            " '{false}', '{true}')",
            ([other],),
        )


def test_a_foreign_key_does_not_see_through_to_another_organisation(books, connect):
    """Foreign keys skip row-level security: composite keys are what stops the link."""
    other = make_books(connect)
    books.fund("client:a", 5)
    with psycopg.connect(connect.found.conninfo()) as superuser:
        (account,) = superuser.execute(
            "SELECT id FROM ledger_account WHERE organisation_id = %s AND code = 'client:a'",
            (other.organisation,),
        ).fetchall()[0]
        (bank,) = superuser.execute(
            "SELECT id FROM ledger_account WHERE organisation_id = %s AND code = 'fiat:bank:main'",
            (books.organisation,),
        ).fetchall()[0]
        (transaction,) = superuser.execute(
            "SELECT id FROM ledger_transaction WHERE organisation_id = %s", (books.organisation,)
        ).fetchall()[0]
        # Even the superuser, whom no policy binds, can't link the two.
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            superuser.execute(
                "INSERT INTO ledger_posting (organisation_id, transaction_id, ordinal,"
                " debit_account, credit_account, asset, units, phase, booked_at)"
                " VALUES (%s, %s, 2, %s, %s, 'EUR/2', 1, 'single', now())",
                (books.organisation, transaction, bank, account),
            )


@pytest.mark.parametrize("role", ["strongroom_api", "strongroom_indexer", "strongroom_worker"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger_balance VALUES (gen_random_uuid(), 1, false)",
        "UPDATE ledger_balance SET posted = 1000000",
        "DELETE FROM ledger_unfolded",
        "UPDATE ledger_posting SET units = 1",
        "TRUNCATE ledger_transaction",
    ],
)
def test_no_process_writes_the_books_past_the_door(books, connect, role, statement):
    books.fund("client:a", 5)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        connect(role).unit(None, ACTOR) as uow,
    ):
        uow.execute(statement)


@pytest.mark.parametrize("table", ["ledger_account", "ledger_transaction", "ledger_posting"])
@pytest.mark.parametrize("role", ["strongroom_owner", "postgres"])
def test_not_even_the_owner_rewrites_an_entry(books, connect, table, role):
    books.fund("client:a", 5)
    statements = (
        f"UPDATE {table} SET organisation_id = organisation_id",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
    )
    for statement in statements:
        with psycopg.connect(connect.found.conninfo(role)) as connection:
            connection.execute(
                "SELECT set_config('strongroom.org', %s, true)", (str(books.organisation),)
            )
            with pytest.raises(psycopg.errors.RestrictViolation, match="refused"):
                connection.execute(statement)

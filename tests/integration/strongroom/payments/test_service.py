"""P1: fiat is credited by two people, and the database itself refuses one."""

import hashlib
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from strongroom.db.actor import Actor, system
from strongroom.db.database import Database
from strongroom.identity import service as identity
from strongroom.identity.types import NewCredential, NewPerson
from strongroom.kit.clock import SystemClock
from strongroom.kit.ids import HOUSE
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef
from strongroom.payments import errors
from strongroom.payments import service as payments
from strongroom.payments.types import FiatCredit
from strongroom.wallets import service as wallets
from strongroom_protocol.amounts import Asset, parse_amount
from tests.factories.books import make_organisation
from tests.factories.parts.postgres import TestDatabase


@pytest.fixture
def books(database: TestDatabase) -> Iterator[Database]:
    """The service's own database, under the API's role."""
    found = Database(database.url("strongroom_api"), clock=SystemClock(), application_name="test")
    with found.unit(HOUSE, system("test")) as uow:
        ledger.open_accounts(uow, [AccountRef(HOUSE, "client:treasury", "EUR/2")])
    yield found
    found.close()


@pytest.fixture
def people(books: Database) -> tuple[Actor, Actor]:
    """Two people of one organisation."""
    with books.unit(HOUSE, system("test")) as uow:
        rows = [
            identity.add_person(uow, NewPerson(handle, handle, ("accountant",), None, None))
            for handle in ("one", "two")
        ]
        return Actor("person", str(rows[0].id)), Actor("person", str(rows[1].id))


def propose(books: Database, actor: Actor, reference: str = "bank 1") -> uuid.UUID:
    amount = parse_amount("100.00", Asset("EUR/2"))
    credit = FiatCredit(reference, "house-bank", "client:treasury", amount, "")
    with books.unit(HOUSE, actor) as uow:
        return payments.propose(uow, credit).id


def treasury(books: Database) -> int:
    with books.read(HOUSE, system("test")) as uow:
        rows = ledger.balances(uow, HOUSE)
    return next(row.posted for row in rows if row.code == "client:treasury")


def test_p1_two_people_book_a_credit(books: Database, people: tuple[Actor, Actor]) -> None:
    one, two = people
    entry = propose(books, one)
    assert treasury(books) == 0
    with books.unit(HOUSE, two) as uow:
        assert payments.approve(uow, entry).state == "booked"
    assert treasury(books) == 10_000


@pytest.mark.parametrize("asset", ["ETH/18", "TUSD/6"])
def test_p2_what_lies_on_the_chain_is_never_credited_by_hand(
    books: Database, database: TestDatabase, asset: str
) -> None:
    """Else two accountants could make up money and be paid with that of other accounts."""
    organisation = make_organisation(database)
    with books.unit(organisation, system("test")) as uow:
        wallets.allow_token(uow, chain_id=31337, contract=bytes([7]) * 20, asset="TUSD/6")
        person = identity.add_person(uow, NewPerson("one", "one", ("accountant",), None, None))
    credit = FiatCredit("made up", "bank", "client:treasury", parse_amount("1", Asset(asset)), "")
    actor = Actor("person", str(person.id))
    with pytest.raises(errors.NotFiat), books.unit(organisation, actor) as uow:
        payments.propose(uow, credit)


def test_p1_one_person_does_not(books: Database, people: tuple[Actor, Actor]) -> None:
    entry = propose(books, people[0])
    with pytest.raises(errors.FourEyes), books.unit(HOUSE, people[0]) as uow:
        payments.approve(uow, entry)
    assert treasury(books) == 0


def test_p1_a_program_does_not(books: Database, people: tuple[Actor, Actor]) -> None:
    entry = propose(books, people[0])
    token_hash = hashlib.sha256(b"a program").digest()
    with books.unit(HOUSE, system("test")) as uow:
        identity.add_credential(
            uow,
            NewCredential("program", token_hash, ("accountant",), None, uow.now.replace(year=2090)),
        )
    with pytest.raises(errors.FourEyes), books.unit(HOUSE, Actor("credential", "1")) as uow:
        payments.approve(uow, entry)


def test_p1_the_table_refuses_one_person_too(
    books: Database, people: tuple[Actor, Actor], database: TestDatabase
) -> None:
    """The attacker has the API's own role: the proposer's name under both signatures."""
    entry = propose(books, people[0])
    with psycopg.connect(database.conninfo("strongroom_api")) as stolen:
        stolen.execute("SELECT set_config('strongroom.org', %s, true)", (str(HOUSE),))
        with pytest.raises(psycopg.errors.CheckViolation, match="four_eyes"):
            stolen.execute(
                "UPDATE fiat_entry SET state = 'booked', decided_by = proposed_by,"
                " decided_at = now() WHERE id = %s",
                (entry,),
            )


def test_p4_a_decision_is_taken_once(books: Database, people: tuple[Actor, Actor]) -> None:
    one, two = people
    entry = propose(books, one)
    with books.unit(HOUSE, two) as uow:
        payments.reject(uow, entry, "not ours")
    with pytest.raises(errors.FiatAlreadyDecided), books.unit(HOUSE, two) as uow:
        payments.approve(uow, entry)
    assert treasury(books) == 0


def test_p4_a_reference_is_used_once(books: Database, people: tuple[Actor, Actor]) -> None:
    propose(books, people[0], "bank 1")
    with pytest.raises(errors.FiatReferenceTaken):
        propose(books, people[1], "bank 1")

"""The address book: four eyes, history for ever, proofs of ownership that prove this address."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from strongroom.db.actor import Actor, system
from strongroom.db.database import Database
from strongroom.identity import service as identity
from strongroom.identity.types import NewPerson
from strongroom.kit.clock import FixedClock
from strongroom.kit.errors import StrongroomError
from strongroom.policy import book, errors, ownership
from strongroom.policy.types import NewEntry
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.amounts import Asset
from strongroom_protocol.authority import Genesis, organisation_ref, organisation_uuid
from strongroom_protocol.encoding import from_hex
from tests.factories.house import TUSD, person
from tests.factories.parts.postgres import TestDatabase

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SUPPLIER = person("a supplier's own key")
ADDRESS = parse_address(SUPPLIER.address)
ENTRY = NewEntry(ADDRESS, "Supplier", "Supplier Ltd", ("suppliers", "eu"), "contract 12 of 2026")


class Room:
    """One organisation with two people who keep its address book."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database, self.clock = database, clock
        founder = (parse_address(person("founder").address),)
        genesis = Genesis("Harbour", 31337, 0, founder, 1, founder, b"\1" * 32)
        self.ref = organisation_ref(genesis)
        self.id = organisation_uuid(self.ref)
        with database.unit(self.id, system("test")) as uow:
            identity.register_organisation(uow, genesis)
            people = [NewPerson(who, who.title(), ("approver",), None, None) for who in WHO]
            self.people = {one.handle: identity.add_person(uow, one).id for one in people}

    def unit(self, who: str = "ines") -> Any:
        self.clock.advance(1)
        return self.database.unit(self.id, Actor("person", str(self.people[who])))

    def agreed(self, new: NewEntry = ENTRY, **more: Any) -> None:
        with self.unit("ines") as uow:
            found = book.propose(uow, new, **more)
        with self.unit("amir") as uow:
            book.decide(uow, found.id, "agreed")


WHO = ("ines", "amir")


@pytest.fixture
def room(database: TestDatabase) -> Iterator[Room]:
    clock = FixedClock(NOW)
    api = Database(database.url("strongroom_api"), clock=clock, application_name="test")
    yield Room(api, clock)
    api.close()


def refused(room: Room, who: str, work: Any) -> str:
    with pytest.raises(StrongroomError) as caught, room.unit(who) as uow:
        work(uow)
    return str(caught.value.code)


def test_an_address_enters_by_four_eyes_and_keeps_its_history(room: Room):
    with room.unit("ines") as uow:
        proposal = book.propose(uow, ENTRY)
        assert book.entries(uow) == []
    own = refused(room, "ines", lambda uow: book.decide(uow, proposal.id, "agreed"))
    assert own == "policy.four_eyes_needed"
    with room.unit("amir") as uow:
        book.decide(uow, proposal.id, "agreed", reason="called them back")
        (entry,) = book.entries(uow)
        (history,) = book.proposals(uow, ADDRESS)
    assert (entry.label, entry.owner, entry.tags) == (
        "Supplier",
        "Supplier Ltd",
        ("eu", "suppliers"),
    )
    assert (entry.proposed_by, entry.agreed_by, entry.usable_from) == ("Ines", "Amir", None)
    assert (history.why, history.reason) == ("contract 12 of 2026", "called them back")


def test_one_person_can_not_agree_behind_the_services_back(room: Room, database: TestDatabase):
    with room.unit("ines") as uow:
        proposal = book.propose(uow, ENTRY)
    forged = (
        "UPDATE book_proposal SET outcome = 'agreed', decided_by = proposed_by, decided_at = now()"
    )
    for statement, wrong in (
        (forged, psycopg.errors.CheckViolation),
        ("UPDATE book_proposal SET label = 'Thief'", psycopg.errors.InsufficientPrivilege),
        ("DELETE FROM book_proposal", psycopg.errors.InsufficientPrivilege),
    ):
        with room.unit("ines") as uow, pytest.raises(wrong):
            uow.execute(statement)
    with room.unit("amir") as uow:
        book.decide(uow, proposal.id, "agreed")
    with room.unit("ines") as uow, pytest.raises(psycopg.errors.RaiseException):
        uow.execute("UPDATE book_proposal SET outcome = 'refused', decided_at = now()")
    with (
        psycopg.connect(database.conninfo()) as connection,
        pytest.raises(psycopg.errors.RaiseException),
    ):
        connection.execute("UPDATE book_proposal SET label = 'Thief'")


def test_what_was_decided_stays_decided_and_a_refusal_says_why(room: Room):
    with room.unit("ines") as uow:
        proposal = book.propose(uow, ENTRY)
    again = refused(room, "amir", lambda uow: book.propose(uow, ENTRY))
    assert again == "policy.proposal_open"
    silent = refused(room, "amir", lambda uow: book.decide(uow, proposal.id, "refused"))
    assert silent == "policy.reason_needed"
    taken = refused(room, "amir", lambda uow: book.decide(uow, proposal.id, "withdrawn"))
    assert taken == "policy.four_eyes_needed"
    with room.unit("amir") as uow:
        book.decide(uow, proposal.id, "refused", reason="nobody knows them")
    twice = refused(room, "amir", lambda uow: book.decide(uow, proposal.id, "agreed"))
    assert twice == "policy.proposal_decided"
    with room.unit("ines") as uow:
        assert book.entries(uow) == []


def test_the_newest_agreed_word_counts_and_a_retired_address_is_gone(room: Room):
    room.agreed()
    room.agreed(NewEntry(ADDRESS, "Supplier North", "Supplier Ltd", (), "they have split"))
    with room.unit() as uow:
        assert [entry.label for entry in book.entries(uow)] == ["Supplier North"]
    room.agreed(
        NewEntry(ADDRESS, "Supplier North", "Supplier Ltd", (), "they closed"), kind="retire"
    )
    with room.unit() as uow:
        assert book.entries(uow) == []
        assert len(book.proposals(uow, ADDRESS)) == 3
        (missing,) = {
            refused(room, "ines", lambda uow: book.propose(uow, ENTRY, kind="retire")) for _ in "1"
        }
    assert missing == "policy.entry_unknown"


def test_a_program_proposes_nothing(room: Room):
    with (
        pytest.raises(errors.PersonNeeded),
        room.database.unit(room.id, Actor("credential", str(room.id))) as uow,
    ):
        book.propose(uow, ENTRY)


def test_the_address_itself_signs_that_it_is_its_owners(room: Room):
    room.agreed()
    text = ownership.words(room.ref, ADDRESS, "Supplier Ltd")
    plain = bytes(SUPPLIER.sign_message(encode_defunct(text=text)).signature)
    typed_data = ownership.typed_data(room.ref, ADDRESS, "Supplier Ltd", 31337)
    typed = bytes(
        SUPPLIER.sign_typed_data(full_message=json.loads(json.dumps(typed_data))).signature
    )
    with room.unit() as uow:
        assert book.prove(uow, ADDRESS, "Supplier Ltd", plain).method == "eip191"
        assert book.prove(uow, ADDRESS, "Supplier Ltd", typed).method == "eip712"
        assert book.prove(uow, ADDRESS, "Supplier Ltd", typed).method == "eip712"
        (entry,) = book.entries(uow)
    assert sorted(proof.method for proof in entry.proofs) == ["eip191", "eip712"]


def test_another_key_another_owner_or_another_organisation_proves_nothing(room: Room):
    text = ownership.words(room.ref, ADDRESS, "Supplier Ltd")
    elsewhere = ownership.words(b"\2" * 32, ADDRESS, "Supplier Ltd")
    thief = Account.create()
    wrong = {
        "another key": (thief.sign_message(encode_defunct(text=text)), "Supplier Ltd"),
        "another owner": (SUPPLIER.sign_message(encode_defunct(text=text)), "Somebody"),
        "elsewhere": (SUPPLIER.sign_message(encode_defunct(text=elsewhere)), "Supplier Ltd"),
    }
    for what, (signed, owner) in wrong.items():
        code = refused(
            room,
            "ines",
            lambda uow, signed=signed, owner=owner: book.prove(
                uow, ADDRESS, owner, bytes(signed.signature)
            ),
        )
        assert code == "policy.proof_wrong", what
    malformed = refused(room, "ines", lambda uow: book.prove(uow, ADDRESS, "x", b"\0" * 65))
    assert malformed == "policy.proof_wrong"


def test_a_test_payment_proves_by_payer_and_exact_amount(room: Room):
    asked = ownership.asked_amount(room.ref, ADDRESS, Asset(TUSD))
    assert 10**5 <= asked.units < 10**6
    right = book.ArrivedPayment(ADDRESS, TUSD, asked.units, b"\7" * 32)
    with room.unit() as uow:
        proof = book.prove_by_payment(uow, ADDRESS, right)
    assert proof.method == "test_payment"
    assert str(asked) in proof.statement
    thief = from_hex("0x" + "99" * 20, 20)
    for wrong in (
        book.ArrivedPayment(ADDRESS, TUSD, asked.units + 1, b"\7" * 32),
        book.ArrivedPayment(thief, TUSD, asked.units, b"\7" * 32),
        book.ArrivedPayment(ADDRESS, None, asked.units, b"\7" * 32),
    ):
        code = refused(
            room, "ines", lambda uow, wrong=wrong: book.prove_by_payment(uow, ADDRESS, wrong)
        )
        assert code == "policy.proof_wrong"

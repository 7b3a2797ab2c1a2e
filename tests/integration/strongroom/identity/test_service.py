"""P1, P6: who is let in, for how long, and what another organisation can see of it."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from strongroom.db.actor import Actor, system
from strongroom.db.database import Database
from strongroom.identity import errors
from strongroom.identity import service as identity
from strongroom.identity.types import Caller, NewCredential, NewPerson, OrganisationView, Role
from strongroom.kit.clock import FixedClock
from strongroom_protocol.authority import Genesis, organisation_ref, organisation_uuid
from tests.factories.parts.postgres import TestDatabase

ACTOR = system("test")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOKEN = hashlib.sha256(b"a token").digest()
SECRET = hashlib.sha256(b"a cookie").digest()


def genesis(index: int, salt: bytes = b"\1" * 32) -> Genesis:
    return Genesis("Harbour", 31337, index, (b"\x0a" * 20,), 1, (b"\x0b" * 20,), salt)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def database_of_api(database: TestDatabase, clock: FixedClock) -> Iterator[Database]:
    """The service's database under the API's own role."""
    found = Database(database.url("strongroom_api"), clock=clock, application_name="test")
    yield found
    found.close()


def register(database: Database, document: Genesis) -> OrganisationView:
    with database.unit(organisation_uuid(organisation_ref(document)), ACTOR) as uow:
        return identity.register_organisation(uow, document)


@pytest.fixture
def harbour(database_of_api: Database) -> OrganisationView:
    """One organisation with one person, whose credential lives for a day."""
    found = register(database_of_api, genesis(0))
    with database_of_api.unit(found.id, ACTOR) as uow:
        olivia = identity.add_person(uow, NewPerson("olivia", "Olivia", ("owner",), None, None))
        expires = uow.now + timedelta(days=1)
        identity.add_credential(uow, NewCredential("laptop", TOKEN, ("owner",), olivia.id, expires))
    return found


def login(database: Database) -> Caller:
    with database.read(None, ACTOR) as uow:
        return identity.authenticate(uow, TOKEN, uow.now)


def test_a_token_names_its_organisation_person_and_roles(
    database_of_api: Database, harbour: OrganisationView
) -> None:
    caller = login(database_of_api)
    assert caller.organisation_id == harbour.id
    assert caller.roles == {Role.OWNER}
    assert caller.person_id is not None


def test_p1_a_token_ends_with_its_day(
    database_of_api: Database, harbour: OrganisationView, clock: FixedClock
) -> None:
    del harbour
    clock.advance(86_399)
    login(database_of_api)
    clock.advance(1)
    with pytest.raises(errors.CredentialUnknown):
        login(database_of_api)


def test_p1_a_session_ends_when_it_is_ended_and_after_eight_hours(
    database_of_api: Database, harbour: OrganisationView, clock: FixedClock
) -> None:
    caller = login(database_of_api)

    def look() -> Caller:
        with database_of_api.read(None, ACTOR) as uow:
            return identity.authenticate_session(uow, SECRET, uow.now)

    with database_of_api.unit(harbour.id, ACTOR) as uow:
        identity.begin_session(uow, caller, SECRET)
    assert look().credential_id == caller.credential_id
    clock.advance(8 * 3600)
    with pytest.raises(errors.CredentialUnknown):
        look()
    clock.advance(-3600)
    look()
    with database_of_api.unit(harbour.id, ACTOR) as uow:
        identity.end_session(uow, SECRET)
    with pytest.raises(errors.CredentialUnknown):
        look()


def test_p1_a_session_ends_with_its_credential(
    database_of_api: Database, harbour: OrganisationView, clock: FixedClock
) -> None:
    clock.advance(20 * 3600)
    caller = login(database_of_api)
    with database_of_api.unit(harbour.id, ACTOR) as uow:
        identity.begin_session(uow, caller, SECRET)
    clock.advance(5 * 3600)
    with (
        pytest.raises(errors.CredentialUnknown),
        database_of_api.read(None, ACTOR) as uow,
    ):
        identity.authenticate_session(uow, SECRET, uow.now)


def test_another_organisation_sees_nobody(
    database_of_api: Database, harbour: OrganisationView
) -> None:
    other = register(database_of_api, genesis(1))
    with database_of_api.read(harbour.id, ACTOR) as uow:
        person = identity.people(uow)[0]
    with database_of_api.read(other.id, ACTOR) as uow:
        assert identity.people(uow) == []
        with pytest.raises(errors.PersonUnknown):
            identity.person(uow, person.id)
        assert identity.organisation(uow).id == other.id


def test_an_account_index_belongs_to_one_genesis(database_of_api: Database) -> None:
    register(database_of_api, genesis(3))
    with pytest.raises(errors.OrganisationTaken):
        register(database_of_api, genesis(3, b"\2" * 32))
    with pytest.raises(errors.OrganisationTaken):
        register(database_of_api, genesis(3))
    with database_of_api.read(None, ACTOR) as uow:
        assert identity.next_account_index(uow) == 4


def test_nobody_makes_themselves_an_operator(
    database_of_api: Database, harbour: OrganisationView
) -> None:
    owner = Actor("person", str(login(database_of_api).person_id))
    new = NewCredential("x", SECRET, ("operator",), None, NOW + timedelta(days=1))
    with pytest.raises(errors.RoleUnknown), database_of_api.unit(harbour.id, owner) as uow:
        identity.add_credential(uow, new)

"""Organisations, departments, people, credentials: written once, read by the ways in."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.exc import IntegrityError

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.identity import errors
from strongroom.identity.models import (
    ConsoleSession,
    Credential,
    Department,
    Organisation,
    Person,
)
from strongroom.identity.types import (
    PEOPLE_ROLES,
    Caller,
    CredentialView,
    DepartmentView,
    NewCredential,
    NewPerson,
    OrganisationView,
    PersonView,
    Role,
)
from strongroom.kit.errors import Conflict
from strongroom_protocol.authority import Genesis, organisation_ref, organisation_uuid

SESSION_LIFE = timedelta(hours=8)
"""A working day: whoever comes back tomorrow signs in again."""


def authenticate(uow: UnitOfWork, token_hash: bytes, now: datetime) -> Caller:
    """Find the caller by SHA-256 of the bearer token (32 bytes), in any organisation.

    Raises CredentialUnknown for a token that is unknown, expired or revoked.
    """
    query = text("SELECT * FROM credential_by_hash(:hash)")
    return _caller(uow.session.execute(query, {"hash": token_hash}).one_or_none(), now)


def authenticate_session(uow: UnitOfWork, secret_hash: bytes, now: datetime) -> Caller:
    """Find the caller by SHA-256 of a console session's secret. Raises CredentialUnknown."""
    query = text("SELECT * FROM credential_by_session(:hash, :at)")
    return _caller(uow.session.execute(query, {"hash": secret_hash, "at": now}).one_or_none(), now)


def begin_session(uow: UnitOfWork, caller: Caller, secret_hash: bytes) -> None:
    """Write down a console session for the unit's caller; it lasts eight hours at most."""
    row = ConsoleSession(
        organisation_id=caller.organisation_id,
        id=uow.new_id(),
        credential_id=caller.credential_id,
        secret_hash=secret_hash,
        created_at=uow.now,
        expires_at=uow.now + SESSION_LIFE,
        ended_at=None,
    )
    uow.session.add(row)
    auditlog.append(uow, "identity.session_begun", str(row.id), {})


def end_session(uow: UnitOfWork, secret_hash: bytes) -> None:
    """End the session of that secret; ending it twice changes nothing."""
    row = uow.session.scalars(
        select(ConsoleSession).where(
            ConsoleSession.organisation_id == uow.organisation_id,
            ConsoleSession.secret_hash == secret_hash,
        )
    ).one_or_none()
    if row is not None and row.ended_at is None:
        row.ended_at = uow.now
        auditlog.append(uow, "identity.session_ended", str(row.id), {})


def require_role(caller: Caller, allowed: Iterable[Role]) -> None:
    """Raise RoleMissing unless the caller holds one of the roles."""
    wanted = frozenset(allowed)
    if not caller.roles & wanted:
        message = f"This needs one of the roles {', '.join(sorted(wanted))}; ask an administrator."
        raise errors.RoleMissing(message)


def next_account_index(uow: UnitOfWork) -> int:
    """Return the next account of the seed that no organisation has taken."""
    return int(uow.session.execute(text("SELECT next_account_index()")).scalar_one())


def register_organisation(uow: UnitOfWork, genesis: Genesis) -> OrganisationView:
    """Write down an organisation; its id follows from the genesis's hash.

    The unit must be opened for that id. Raises OrganisationTaken.
    """
    ref = organisation_ref(genesis)
    row = Organisation(
        id=organisation_uuid(ref),
        ref=ref,
        name=genesis.name,
        chain_id=genesis.chain_id,
        account_index=genesis.account_index,
        genesis=genesis.document(),
        created_at=uow.now,
    )
    _insert(
        uow,
        row,
        errors.OrganisationTaken,
        f"Account index {genesis.account_index}, or this "
        "genesis, is registered already; take the next free index and a new salt.",
    )
    auditlog.append(uow, "identity.organisation_registered", str(row.id), {"genesis": row.genesis})
    return _organisation(row)


def organisation(uow: UnitOfWork) -> OrganisationView:
    """Return the unit's own organisation. Raises OrganisationUnknown."""
    row = uow.session.scalars(
        select(Organisation).where(Organisation.id == uow.organisation_id)
    ).one_or_none()
    if row is None:
        raise errors.OrganisationUnknown("There is no such organisation.")
    return _organisation(row)


def on_chain(chain_id: int) -> Select[UUID]:
    """The ids of the organisations on a chain, for another query's condition."""
    return select(Organisation.id).where(Organisation.chain_id == chain_id)


def add_department(uow: UnitOfWork, name: str) -> DepartmentView:
    """Write down a department. Raises NameTaken."""
    row = Department(organisation_id=_own(uow), id=uow.new_id(), name=name, created_at=uow.now)
    _insert(uow, row, errors.NameTaken, f"There is a department {name!r} already.")
    auditlog.append(uow, "identity.department_added", str(row.id), {"name": name})
    return _department(row)


def add_person(uow: UnitOfWork, new: NewPerson) -> PersonView:
    """Write down a person. Raises NameTaken, DepartmentUnknown, RoleUnknown."""
    _check_roles(new.roles)
    if new.department_id is not None and new.department_id not in {
        row.id for row in departments(uow)
    }:
        raise errors.DepartmentUnknown("The organisation has no such department; add it first.")
    row = Person(
        organisation_id=_own(uow),
        id=uow.new_id(),
        handle=new.handle,
        name=new.name,
        department_id=new.department_id,
        roles=list(new.roles),
        address=new.address,
        created_at=uow.now,
        removed_at=None,
    )
    _insert(
        uow,
        row,
        errors.NameTaken,
        f"The handle {new.handle!r}, or the person's Ethereum "
        "address, belongs to another person of this organisation.",
    )
    view = _person(row)
    auditlog.append(uow, "identity.person_added", str(row.id), person_record(view))
    return view


def add_credential(uow: UnitOfWork, new: NewCredential) -> CredentialView:
    """Write down a credential. Raises NameTaken, PersonUnknown, RoleUnknown."""
    if uow.actor.kind != "system":
        _check_roles(new.roles)
    if new.person_id is not None:
        person(uow, new.person_id)
    row = Credential(
        organisation_id=_own(uow),
        id=uow.new_id(),
        person_id=new.person_id,
        label=new.label,
        token_hash=new.token_hash,
        roles=list(new.roles),
        version=1,
        created_at=uow.now,
        expires_at=new.expires_at,
        revoked_at=None,
    )
    _insert(uow, row, errors.NameTaken, "This token is in use already; make a new secret.")
    body = {"label": row.label, "roles": row.roles, "person_id": _text(row.person_id)}
    auditlog.append(uow, "identity.credential_added", str(row.id), body)
    return CredentialView(row.id, row.label, tuple(row.roles), row.person_id, row.expires_at)


def departments(uow: UnitOfWork) -> list[DepartmentView]:
    """Return the organisation's departments by name."""
    own = Department.organisation_id == uow.organisation_id
    rows = uow.session.scalars(select(Department).where(own).order_by(Department.name))
    return [_department(row) for row in rows]


def people(uow: UnitOfWork) -> list[PersonView]:
    """Return the organisation's people by handle, the removed ones too."""
    own = Person.organisation_id == uow.organisation_id
    rows = uow.session.scalars(select(Person).where(own).order_by(Person.handle))
    return [_person(row) for row in rows]


def person(uow: UnitOfWork, person_id: UUID) -> PersonView:
    """Return one person of the organisation. Raises PersonUnknown."""
    row = uow.session.get(Person, (uow.organisation_id, person_id))
    if row is None:
        raise errors.PersonUnknown("The organisation has no such person.")
    return _person(row)


def person_record(view: PersonView) -> Mapping[str, Any]:
    """Return what the audit log keeps of a person."""
    return {
        "handle": view.handle,
        "name": view.name,
        "roles": list(view.roles),
        "department_id": _text(view.department_id),
        "address": None if view.address is None else "0x" + view.address.hex(),
    }


def _organisation(row: Organisation) -> OrganisationView:
    return OrganisationView(row.id, row.ref, row.name, row.chain_id, row.account_index, row.genesis)


def _department(row: Department) -> DepartmentView:
    return DepartmentView(row.id, row.name)


def _person(row: Person) -> PersonView:
    return PersonView(
        id=row.id,
        handle=row.handle,
        name=row.name,
        roles=tuple(row.roles),
        department_id=row.department_id,
        address=row.address,
        removed_at=row.removed_at,
    )


def _caller(found: Any, now: datetime) -> Caller:
    if found is None or found.revoked_at is not None or found.expires_at <= now:
        message = "The credential is not known, has expired or was revoked; ask for a new one."
        raise errors.CredentialUnknown(message)
    roles = frozenset(Role(role) for role in found.roles)
    return Caller(found.organisation_id, found.id, found.version, found.person_id, roles)


def _check_roles(roles: Iterable[str]) -> None:
    unknown = sorted(set(roles) - {str(role) for role in PEOPLE_ROLES})
    if unknown:
        known = ", ".join(sorted(PEOPLE_ROLES))
        raise errors.RoleUnknown(f"No such role: {', '.join(unknown)}; the roles are {known}.")


def _insert(uow: UnitOfWork, row: object, taken: type[Conflict], message: str) -> None:
    """Insert inside a savepoint, so that a name taken leaves the unit of work usable."""
    try:
        with uow.session.begin_nested():
            uow.session.add(row)
            uow.session.flush()
    except IntegrityError as error:
        raise taken(message) from error


def _own(uow: UnitOfWork) -> UUID:
    if uow.organisation_id is None:
        raise errors.OrganisationUnknown("This unit of work serves no single organisation.")
    return uow.organisation_id


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)

"""Departments, people and credentials of the caller's organisation."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import AddressText, Name, Page, Shown, Strict
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.identity.types import (
    CredentialView,
    DepartmentView,
    NewCredential,
    NewPerson,
    PersonView,
    Role,
)
from strongroom_protocol.addresses import checksum, parse_address

router = APIRouter(tags=["people"])
GOVERNING = [Depends(needs(Role.OWNER, Role.ADMINISTRATOR))]


class DepartmentIn(Strict):
    """A department to add."""

    name: Name


class DepartmentOut(Shown):
    """A department."""

    id: UUID
    name: str

    @classmethod
    def of(cls, row: DepartmentView) -> "DepartmentOut":
        """Show a view."""
        return cls(id=row.id, name=row.name)


class PersonIn(Strict):
    """A person to add. `address` is the person's own Ethereum key, if they sign."""

    handle: Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,62}$")]
    name: Name
    roles: Annotated[list[str], Field(min_length=1, max_length=8)]
    department_id: UUID | None = None
    address: AddressText | None = None

    def as_new(self) -> NewPerson:
        """Return the person as identity writes it down. Raises AddressInvalid."""
        return NewPerson(
            handle=self.handle,
            name=self.name,
            roles=tuple(self.roles),
            department_id=self.department_id,
            address=None if self.address is None else parse_address(self.address),
        )


class PersonOut(Shown):
    """A person."""

    id: UUID
    handle: str
    name: str
    roles: list[str]
    department_id: UUID | None
    address: str | None
    removed_at: datetime | None

    @classmethod
    def of(cls, row: PersonView) -> "PersonOut":
        """Show a view."""
        return cls(
            id=row.id,
            handle=row.handle,
            name=row.name,
            roles=list(row.roles),
            department_id=row.department_id,
            address=None if row.address is None else checksum(row.address),
            removed_at=row.removed_at,
        )


class CredentialIn(Strict):
    """A credential to add. The caller makes the token and sends only its SHA-256."""

    label: Name
    roles: Annotated[list[str], Field(min_length=1, max_length=8)]
    token_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    person_id: UUID | None = None
    expires_in_days: Annotated[int, Field(ge=1, le=366)] = 90


class CredentialOut(Shown):
    """A credential; the token is not known here."""

    id: UUID
    label: str
    roles: list[str]
    person_id: UUID | None
    expires_at: datetime

    @classmethod
    def of(cls, row: CredentialView) -> "CredentialOut":
        """Show a view."""
        return cls(
            id=row.id,
            label=row.label,
            roles=list(row.roles),
            person_id=row.person_id,
            expires_at=row.expires_at,
        )


class Me(Shown):
    """Who the token says that you are."""

    organisation_id: UUID
    organisation: str
    organisation_ref: str
    chain_id: int
    person_id: UUID | None
    roles: list[str]


@router.get("/me")
def me(query: Reading) -> Me:
    """Who the caller is, and for which organisation."""

    def look(uow: UnitOfWork) -> Me:
        row = identity.organisation(uow)
        return Me(
            organisation_id=row.id,
            organisation=row.name,
            organisation_ref="0x" + row.ref.hex(),
            chain_id=row.chain_id,
            person_id=query.caller.person_id,
            roles=sorted(query.caller.roles),
        )

    return query.run(look)


@router.post("/departments", response_model=DepartmentOut, status_code=201, dependencies=GOVERNING)
def add_department(body: DepartmentIn, command: Posting) -> Response:
    """Add a department."""
    return command.run(lambda uow: DepartmentOut.of(identity.add_department(uow, body.name)))


@router.get("/departments")
def list_departments(query: Reading) -> Page[DepartmentOut]:
    """All departments, by name."""
    rows = query.run(identity.departments)
    return Page(items=[DepartmentOut.of(row) for row in rows], next=None)


@router.post("/people", response_model=PersonOut, status_code=201, dependencies=GOVERNING)
def add_person(body: PersonIn, command: Posting) -> Response:
    """Add a person. Their signature counts only once a signed bundle names their key."""
    new = body.as_new()
    return command.run(lambda uow: PersonOut.of(identity.add_person(uow, new)))


@router.get("/people")
def list_people(query: Reading) -> Page[PersonOut]:
    """All people, by handle, the removed ones too."""
    rows = query.run(identity.people)
    return Page(items=[PersonOut.of(row) for row in rows], next=None)


@router.post("/credentials", response_model=CredentialOut, status_code=201, dependencies=GOVERNING)
def add_credential(body: CredentialIn, command: Posting) -> Response:
    """Add a credential for a token that the caller made."""

    def work(uow: UnitOfWork) -> CredentialOut:
        new = NewCredential(
            label=body.label,
            token_hash=bytes.fromhex(body.token_sha256),
            roles=tuple(body.roles),
            person_id=body.person_id,
            expires_at=uow.now + timedelta(days=body.expires_in_days),
        )
        return CredentialOut.of(identity.add_credential(uow, new))

    return command.run(work)

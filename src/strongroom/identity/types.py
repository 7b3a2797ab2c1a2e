"""Values of identity: roles, scopes and the caller of a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

from strongroom.db.actor import Actor

OrganisationId = NewType("OrganisationId", UUID)
PersonId = NewType("PersonId", UUID)


class Role(StrEnum):
    """What a person may do at the API. `operator` is the custodian's own people."""

    OPERATOR = "operator"
    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    INITIATOR = "initiator"
    APPROVER = "approver"
    COMPLIANCE = "compliance"
    ACCOUNTANT = "accountant"
    AUDITOR = "auditor"


PEOPLE_ROLES = frozenset(Role) - {Role.OPERATOR}
EVERY_ROLE = frozenset(Role)


@dataclass(frozen=True)
class Caller:
    """Who calls: found by a bearer token, never by anything the body says."""

    organisation_id: UUID
    credential_id: UUID
    credential_version: int
    person_id: UUID | None
    roles: frozenset[Role]

    @property
    def actor(self) -> Actor:
        """The caller as units of work and audit records name it: the person, if there is one."""
        roles = frozenset(str(role) for role in self.roles)
        if self.person_id is not None:
            return Actor("person", str(self.person_id), self.credential_version, roles)
        return Actor("credential", str(self.credential_id), self.credential_version, roles)


@dataclass(frozen=True)
class NewPerson:
    """A person to be written down. `address` is 20 bytes, the person's own Ethereum key."""

    handle: str
    name: str
    roles: tuple[str, ...]
    department_id: UUID | None
    address: bytes | None


@dataclass(frozen=True)
class NewCredential:
    """A credential to be written down; `token_hash` is SHA-256 of the secret, 32 bytes."""

    label: str
    token_hash: bytes
    roles: tuple[str, ...]
    person_id: UUID | None
    expires_at: datetime


@dataclass(frozen=True)
class OrganisationView:
    """A client; `ref` is keccak-256 of its genesis, what its people's signatures name."""

    id: UUID
    ref: bytes
    name: str
    chain_id: int
    account_index: int | None
    genesis: Mapping[str, Any]


@dataclass(frozen=True)
class DepartmentView:
    """A part of an organisation."""

    id: UUID
    name: str


@dataclass(frozen=True)
class PersonView:
    """Somebody of an organisation; `address` is 20 bytes, None for who signs nothing."""

    id: UUID
    handle: str
    name: str
    roles: tuple[str, ...]
    department_id: UUID | None
    address: bytes | None
    removed_at: datetime | None


@dataclass(frozen=True)
class CredentialView:
    """A credential; its secret is only with its holder."""

    id: UUID
    label: str
    roles: tuple[str, ...]
    person_id: UUID | None
    expires_at: datetime

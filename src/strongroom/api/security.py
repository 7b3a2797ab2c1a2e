"""Who calls: the bearer token of a request, found in its own short transaction (RFC 6750)."""

import hashlib
from collections.abc import Callable
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from strongroom.bootstrap.api import Services
from strongroom.db.actor import system
from strongroom.identity import service as identity
from strongroom.identity.errors import CredentialMissing
from strongroom.identity.types import Caller, Role

ANONYMOUS = system("api")
bearer = HTTPBearer(auto_error=False, description="A credential's token; only its hash is kept.")


def services(request: Request) -> Services:
    """Return what bootstrap joined for this process."""
    return cast(Services, request.app.state.services)


def authenticated(
    found: Annotated[Services, Depends(services)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """Return the caller. Raises CredentialMissing, CredentialUnknown.

    The transaction is closed before the route begins: no connection is held while it waits.
    """
    if credentials is None:
        message = "Send the header `Authorization: Bearer TOKEN` with a credential's token."
        raise CredentialMissing(message)
    token_hash = hashlib.sha256(credentials.credentials.encode()).digest()
    with found.database.read(None, ANONYMOUS) as uow:
        return identity.authenticate(uow, token_hash, uow.now)


def needs(*roles: Role) -> Callable[[Caller], None]:
    """Return a dependency that lets only callers with one of the roles pass."""

    def check(caller: Annotated[Caller, Depends(authenticated)]) -> None:
        identity.require_role(caller, roles)

    return check


__all__ = ["Caller", "Services", "authenticated", "needs", "services"]

"""A person's session at the console: a random secret in a cookie, its hash in the database.

The cookie is HttpOnly and SameSite=Strict, and a POST must come from our own pages (Origin), so a
foreign page can neither read the session nor act in it.
"""

import hashlib
import secrets
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from strongroom.bootstrap.api import Services
from strongroom.db.actor import system
from strongroom.identity import service as identity
from strongroom.identity.errors import CredentialMissing, CredentialUnknown
from strongroom.identity.types import Caller
from strongroom.kit.errors import Forbidden

COOKIE = "strongroom_session"
PATH = "/console"
ANONYMOUS = system("console")


class ForeignOrigin(Forbidden):
    """A form came from a page that is not ours."""

    code = "console.foreign_origin"


class SignInNeeded(CredentialMissing):
    """There is no session, or it has ended: the page leads to signing in."""

    code = "console.sign_in_needed"


def services(request: Request) -> Services:
    """Return what bootstrap joined for this process."""
    return cast("Services", request.app.state.services)


def same_origin(request: Request) -> None:
    """Raise ForeignOrigin unless the browser says that the request comes from our own page."""
    origin = request.headers.get("Origin", "")
    if urlsplit(origin).netloc != request.headers.get("Host", ""):
        raise ForeignOrigin("This form was sent from another site; open the console and try again.")


def sign_in(found: Services, token: str, response: Response, *, secure: bool) -> None:
    """Begin a session for a credential's token. Raises CredentialUnknown."""
    token_hash = hashlib.sha256(token.strip().encode()).digest()
    with found.database.read(None, ANONYMOUS) as uow:
        caller = identity.authenticate(uow, token_hash, uow.now)
    secret = secrets.token_urlsafe(32)
    with found.database.unit(caller.organisation_id, caller.actor) as uow:
        identity.begin_session(uow, caller, _hash(secret))
    response.set_cookie(
        COOKIE,
        secret,
        path=PATH,
        httponly=True,
        secure=secure,
        samesite="strict",
        max_age=int(identity.SESSION_LIFE.total_seconds()),
    )


def sign_out(found: Services, request: Request, response: Response) -> None:
    """End the session, here and in the browser."""
    caller = viewer(request, found)
    with found.database.unit(caller.organisation_id, caller.actor) as uow:
        identity.end_session(uow, _hash(request.cookies[COOKIE]))
    response.delete_cookie(COOKIE, path=PATH)


def viewer(request: Request, found: Annotated[Services, Depends(services)]) -> Caller:
    """Return who looks. Raises SignInNeeded."""
    secret = request.cookies.get(COOKIE)
    if not secret:
        raise SignInNeeded("Sign in first.")
    try:
        with found.database.read(None, ANONYMOUS) as uow:
            return identity.authenticate_session(uow, _hash(secret), uow.now)
    except CredentialUnknown as error:
        raise SignInNeeded("The session has ended; sign in again.") from error


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()

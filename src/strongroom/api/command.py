"""How a route writes: one unit of work, one idempotency key, one stored answer.

`Command` is the only way in for a POST. The answer is kept in the unit that did the work, and the
response is built after the commit, so a 2xx is never sent for something that was not kept.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel

from strongroom.api.security import Caller, Services, authenticated, services
from strongroom.db import idempotency, retry
from strongroom.db.actor import Actor
from strongroom.db.database import UnitOfWork
from strongroom.db.idempotency import StoredAnswer
from strongroom.identity import service as identity
from strongroom.kit.errors import Invalid
from strongroom.kit.log import request_id
from strongroom.signing.client import SignerClient
from strongroom_protocol.canonical import canonical_bytes, parse_json

KEY_FORM = re.compile(r"[\x21-\x7e]{8,128}")
"""Visible ASCII, 8 to 128 characters: long enough to be unique, short enough to index."""
CREATED = 201
Outside = TypeVar("Outside")


class IdempotencyKeyInvalid(Invalid):
    """The Idempotency-Key header is missing or malformed."""

    code = "idempotency.key_invalid"


@dataclass(frozen=True)
class Command:
    """One authenticated POST: who calls, for which organisation, under which key, which body."""

    services: Services
    caller: Caller
    organisation_id: UUID
    key: str
    body_hash: bytes

    @property
    def actor(self) -> Actor:
        """The caller as the unit of work and the audit log know it."""
        return self.caller.actor

    @property
    def signer(self) -> SignerClient:
        """The signer of the organisation's chain. Raises ChainNotServed, OrganisationUnknown."""
        with self.services.database.read(self.organisation_id, self.actor) as uow:
            chain_id = identity.organisation(uow).chain_id
        return self.services.signer(chain_id)

    @property
    def request_id(self) -> str:
        """The id that this request carries through every process."""
        return request_id.get()

    def answer(self, stored: StoredAnswer) -> Response:
        """Return a stored answer as the response."""
        return _answer(stored.status, stored.body)

    def within(self, organisation_id: UUID) -> "Command":
        """Return the command for another organisation: the custodian's operators only."""
        return replace(self, organisation_id=organisation_id)

    def run(self, work: Callable[[UnitOfWork], BaseModel], *, status: int = CREATED) -> Response:
        """Do `work` in one unit, keep its answer under the key, commit, and answer.

        A key that was used before answers what was answered then; with another body it is a
        409 `idempotency.body_differs`. Deadlocks are retried at most three times.
        """

        def unit(uow: UnitOfWork) -> Response:
            stored = idempotency.begin(uow, self.key, self.body_hash)
            if stored is not None:
                return _answer(stored.status, stored.body)
            body = work(uow).model_dump_json()
            idempotency.finish(uow, self.key, status, body)
            return _answer(status, body)

        return retry.run(self.services.database, self.organisation_id, self.actor, unit)

    def act(
        self,
        outside: Callable[[], Outside],
        record: Callable[[UnitOfWork, Outside], BaseModel],
        *,
        status: int = CREATED,
    ) -> Response:
        """Act outside of any transaction (a signature, say), then record what came of it.

        A key that was answered before does not act again.
        """
        with self.services.database.read(self.organisation_id, self.actor) as uow:
            stored = idempotency.stored(uow, self.key, self.body_hash)
        if stored is not None:
            return _answer(stored.status, stored.body)
        found = outside()
        return self.run(lambda uow: record(uow, found), status=status)

    def unit(self, work: Callable[[UnitOfWork], Outside]) -> Outside:
        """Do a repeatable step of its own before the one that answers (stage, then act)."""
        return retry.run(self.services.database, self.organisation_id, self.actor, work)


async def command(
    request: Request,
    caller: Annotated[Caller, Depends(authenticated)],
    found: Annotated[Services, Depends(services)],
    idempotency_key: Annotated[
        str,
        Header(
            min_length=8,
            max_length=128,
            description="8 to 128 visible characters, unique to this request. Sent again with the "
            "same body it answers what was answered before; nothing is done twice.",
        ),
    ],
) -> Command:
    """Make the Command of a POST. Raises IdempotencyKeyInvalid."""
    if not KEY_FORM.fullmatch(idempotency_key):
        message = (
            "Send an Idempotency-Key header of 8 to 128 visible ASCII characters, a new one for "
            "each new request and the same one for each retry."
        )
        raise IdempotencyKeyInvalid(message)
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode())
    digest.update(_canonical(await request.body()))
    key = f"{caller.credential_id}:{idempotency_key}"
    return Command(found, caller, caller.organisation_id, key, digest.digest())


def _canonical(body: bytes) -> bytes:
    """Return the body's RFC 8785 form, so that a re-serialised retry is the same."""
    return canonical_bytes(parse_json(body)) if body else b""


def _answer(status: int, body: str) -> Response:
    return Response(body, status, media_type="application/json")


Posting = Annotated[Command, Depends(command)]
"""The parameter of every route that writes."""

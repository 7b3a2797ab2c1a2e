"""Errors as a client sees them: `application/problem+json` (RFC 9457), one shape for all.

`code` is the stable name; `detail` says what is wrong, why, and what to do.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from strongroom.kit.errors import StrongroomError
from strongroom.kit.log import logger, request_id
from strongroom_protocol.errors import ProtocolError

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What every refusal looks like (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: Any = None


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "Refused: `code` names what is wrong, `detail` says what to do.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
    "503": {
        "description": "A part is away: send it again with the same Idempotency-Key.",
        "model": Problem,
    },
}
"""What the documentation says of every route."""


def problem(
    status: int, code: str, detail: str, more: Mapping[str, object] | None = None
) -> JSONResponse:
    """Return one problem document; `more` is added as `errors` or other members."""
    body: dict[str, object] = {
        "type": f"urn:strongroom:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id.get(),
    }
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    return JSONResponse(body | dict(more or {}), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Give the application its error handlers."""
    app.add_exception_handler(StrongroomError, _known)
    app.add_exception_handler(ProtocolError, _malformed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _known(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, StrongroomError):
        raise error
    more = {"errors": dict(error.detail)} if error.detail else None
    return problem(error.http_status, error.code, str(error), more)


def _malformed(_: Request, error: Exception) -> JSONResponse:
    """Turn what the protocol package refuses (an address, an amount) into a 422."""
    code = getattr(error, "code", "protocol.invalid")
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, code, str(error))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    fields = [
        {"field": ".".join(str(part) for part in item["loc"]), "why": item["msg"]}
        for item in error.errors()
    ]
    detail = "The request does not have the documented shape; `errors` names each field."
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "request.invalid", detail, {"errors": fields})


def _http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code = f"http.{HTTPStatus(error.status_code).name.lower()}"
    return problem(error.status_code, code, str(error.detail))


def unknown(error: Exception) -> JSONResponse:
    """Return the problem for an error of ours: the log has its trace, the client its id."""
    logger(__name__).error("request.failed", exc_info=error)
    detail = "Something failed here; nothing was changed. Quote the request id when you ask us."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal.error", detail)

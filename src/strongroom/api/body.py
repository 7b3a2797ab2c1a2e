"""What a body may be before anything reads it: bounded in bytes and depth, and one meaning only.

A JSON text with a key twice means one thing to us and another to whoever checked it before us.
"""

from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse

from strongroom.api.problem import problem
from strongroom_protocol.canonical import NotCanonical, parse_json

BYTES_MAX = 4 * 1024 * 1024
"""Holds the largest sanctions list; every other body is a few kilobytes."""


async def refuse(request: Request) -> JSONResponse | None:
    """Return the problem with a request's body, or None when it may be read on."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > BYTES_MAX or "transfer-encoding" in request.headers:
        detail = f"Send a Content-Length of at most {BYTES_MAX} bytes, and no chunks."
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request.too_large", detail)
    if "json" not in request.headers.get("content-type", ""):
        return None
    try:
        parse_json(await request.body() or b"null")
    except NotCanonical as error:
        detail = f"The body cannot be read: {error}."
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "request.body_refused", detail)
    return None

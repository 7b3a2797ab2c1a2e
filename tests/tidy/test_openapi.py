"""The API's contract, as OpenAPI tells it: what every route must have."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI

from strongroom.api.v1 import ROUTERS

HEADER = "idempotency-key"  # names of headers ignore case


def operations(routers: list[APIRouter], method: str) -> Iterator[tuple[str, dict[str, Any]]]:
    app = FastAPI()
    for router in routers:
        app.include_router(router, prefix="/v1")
    for path, methods in app.openapi()["paths"].items():
        if method in methods:
            yield path, methods[method]


def without_key(routers: list[APIRouter]) -> list[str]:
    """POST routes that do not demand an Idempotency-Key."""
    return [
        path
        for path, operation in operations(routers, "post")
        if not any(
            parameter["in"] == "header"
            and parameter["name"].lower() == HEADER
            and parameter["required"]
            for parameter in operation.get("parameters", [])
        )
    ]


def test_every_post_demands_an_idempotency_key() -> None:
    routers = list(ROUTERS)
    assert len(list(operations(routers, "post"))) >= 5
    assert without_key(routers) == []


def test_a_post_without_the_header_is_seen() -> None:
    router = APIRouter()

    @router.post("/pay")
    def pay() -> None:
        """Pay."""

    assert without_key([router]) == ["/v1/pay"]


def test_amounts_are_strings() -> None:
    """No number type for anything that is money (P3 begins at the edge)."""
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router, prefix="/v1")
    schemas = app.openapi().get("components", {}).get("schemas", {})
    wrong = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, what in schema.get("properties", {}).items()
        if field in {"amount", "units", "balance", "fee", "max_fee_wei", "available", "posted"}
        and what.get("type") in {"number", "integer"}
    ]
    assert wrong == []

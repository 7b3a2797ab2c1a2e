"""The API's application: routes, error handlers, request ids, health and metrics."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from importlib.metadata import version
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse

from strongroom.api import body, problem
from strongroom.api.v1 import ROUTERS
from strongroom.bootstrap.api import Services
from strongroom.kit import metrics
from strongroom.kit.health import readiness
from strongroom.kit.log import bind_request_id, logger

STATIC = "/console/static"
"""Where the process serves its own scripts and styles; the console mounts them."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

DESCRIPTION = """
Custody for institutions: nothing moves unless the people who must agree have agreed.

* Every POST needs an `Idempotency-Key`; the same key with the same body answers the same.
* Amounts are strings in the asset's own unit ("1.25"), `units` are strings in its smallest unit.
* Errors are `application/problem+json` with a stable `code`; quote `request_id` when you ask.
* Listings are pages: pass `next` as `after` until it is null.
"""


def create_app(services: Services, lifespan: Lifespan | None = None) -> FastAPI:
    """Return the application over already joined services."""
    app = FastAPI(
        title="Strongroom",
        version=version("strongroom"),
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.services = services
    problem.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix="/v1", responses=problem.RESPONSES)
    _health(app, services)
    _documentation(app)
    app.middleware("http")(observe)
    return app


async def observe(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Give the request its id, log and count it, and say the id in the answer."""
    given = request.headers.get("X-Request-Id", "")
    identifier = given if _is_plain(given) else str(uuid4())
    with bind_request_id(identifier):
        started = time.perf_counter()
        response = await _answer(request, call_next)
        route = getattr(request.scope.get("route"), "path", "unmatched")
        _record(request.method, route, response.status_code, time.perf_counter() - started)
    response.headers["X-Request-Id"] = identifier
    return response


async def _answer(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    refused = await body.refuse(request)
    if refused is not None:
        return refused
    try:
        return await call_next(request)
    except Exception as error:  # noqa: BLE001 - whatever escaped, the client gets a problem
        return problem.unknown(error)


def _record(method: str, route: str, status: int, seconds: float) -> None:
    """Count by route template, never by path: ids would make a series each."""
    metrics.counter(
        "strongroom_http_requests_total", "Requests answered.", ("method", "route", "status")
    ).labels(method, route, str(status)).inc()
    metrics.histogram("strongroom_http_seconds", "Time to answer.", ("method", "route")).labels(
        method, route
    ).observe(seconds)
    milliseconds = round(seconds * 1000, 1)
    logger(__name__).info(
        "http.request", method=method, route=route, status=status, milliseconds=milliseconds
    )


def _is_plain(text: str) -> bool:
    """Say whether a client's request id may stand in a log line as it is."""
    return 8 <= len(text) <= 64 and text.isascii() and text.replace("-", "").isalnum()


def _health(app: FastAPI, services: Services) -> None:
    @app.get("/healthz", include_in_schema=False)
    def alive() -> JSONResponse:
        """Answer as long as the process runs."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz", include_in_schema=False)
    def ready() -> JSONResponse:
        """Answer 200 when every part answers, 503 naming those that do not."""
        good, found = readiness(services.checks)
        body = {"status": "ok" if good else "unavailable", "checks": found}
        return JSONResponse(body, HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)

    @app.get("/metrics", include_in_schema=False)
    def exposition() -> Response:
        """Answer Prometheus's text format."""
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


def _documentation(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    def documentation() -> HTMLResponse:
        """Show the OpenAPI document to people, with files of our own: nothing from elsewhere."""
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Strongroom's API",
            swagger_js_url=f"{STATIC}/vendor/swagger-ui-bundle.js",
            swagger_css_url=f"{STATIC}/vendor/swagger-ui.css",
            swagger_favicon_url=f"{STATIC}/mark.svg",
        )

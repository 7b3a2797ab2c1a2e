"""P4, P10: a POST is kept whole or not at all, and once, whatever its caller does."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Response
from sqlalchemy import text

from strongroom.api import problem
from strongroom.api.app import observe
from strongroom.api.command import Posting
from strongroom.api.shapes import Shown, Strict
from strongroom.bootstrap.api import Services, build, ensure_operator
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.identity import service as identity
from strongroom.kit.ids import HOUSE
from tests.factories.parts.place import free_port
from tests.factories.parts.postgres import TestDatabase

TOKEN = "sr_operator-of-a-test"


class NameIn(Strict):
    name: str


class NameOut(Shown):
    id: uuid.UUID
    name: str


def application(services: Services) -> FastAPI:
    """An application with one route that writes, and one whose commit fails."""
    app = FastAPI()
    app.state.services = services
    problem.install(app)
    app.middleware("http")(observe)

    @app.post("/departments", status_code=201)
    def add(body: NameIn, command: Posting) -> Response:
        def work(uow: Any) -> NameOut:
            row = identity.add_department(uow, body.name)
            return NameOut(id=row.id, name=row.name)

        return command.run(work)

    @app.post("/failing", status_code=201)
    def fail(body: NameIn, command: Posting) -> Response:
        def work(uow: Any) -> NameOut:
            row = identity.add_department(uow, body.name)
            uow.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            return NameOut(id=row.id, name=row.name)

        return command.run(work)

    return app


@pytest.fixture
def services(database: TestDatabase, tmp_path: Path) -> Iterator[Services]:
    """The API's parts on a real database; the signer is not there."""
    environment = {
        "STRONGROOM_DATABASE_URL": database.url("strongroom_api"),
        "STRONGROOM_SIGNER_SOCKET": str(tmp_path / "nobody.sock"),
    }
    found = build(Config.from_environment(environment))
    ensure_operator(found.database, TOKEN)
    yield found
    found.database.close()


@pytest.fixture
def client(services: Services) -> Iterator[httpx.Client]:
    """A client with the operator's credential, of a server on loopback."""
    port = free_port()
    settings = uvicorn.Config(application(services), port=port, log_config=None)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    transport = httpx.HTTPTransport(retries=30)
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers=headers, transport=transport, timeout=30
    ) as found:
        while not server.started:
            thread.join(0.01)
        yield found
    server.should_exit = True
    thread.join()


def departments(services: Services) -> list[str]:
    with services.database.read(HOUSE, system("test")) as uow:
        return [row.name for row in identity.departments(uow)]


def test_p4_the_same_key_answers_the_same_and_does_it_once(
    client: httpx.Client, services: Services
) -> None:
    headers = {"Idempotency-Key": "key-0001"}
    first = client.post("/departments", json={"name": "treasury"}, headers=headers)
    spaced = {**headers, "Content-Type": "application/json"}
    again = client.post("/departments", content=b'{ "name" : "treasury" }', headers=spaced)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert departments(services) == ["treasury"]


def test_p4_the_same_key_with_another_body_is_refused(
    client: httpx.Client, services: Services
) -> None:
    headers = {"Idempotency-Key": "key-0001"}
    client.post("/departments", json={"name": "treasury"}, headers=headers)
    other = client.post("/departments", json={"name": "another"}, headers=headers)
    assert other.status_code == 409
    assert other.json()["code"] == "idempotency.body_differs"
    assert departments(services) == ["treasury"]


def test_p4_sixteen_at_once_with_one_key_do_it_once(
    client: httpx.Client, services: Services
) -> None:
    answers: list[Any] = []

    def post() -> None:
        answers.append(
            client.post(
                "/departments", json={"name": "treasury"}, headers={"Idempotency-Key": "key-0001"}
            ).json()
        )

    threads = [threading.Thread(target=post) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 16
    assert all(answer == answers[0] for answer in answers)
    assert departments(services) == ["treasury"]


def test_p10_a_unit_that_dies_keeps_nothing_and_says_503(
    client: httpx.Client, services: Services
) -> None:
    headers = {"Idempotency-Key": "key-0001"}
    failed = client.post("/failing", json={"name": "treasury"}, headers=headers)
    assert failed.status_code == 503
    assert failed.json()["code"].startswith("database.")
    assert failed.headers["content-type"] == "application/problem+json"
    assert failed.headers["retry-after"] == "1"
    assert departments(services) == []
    # The key was not used up: the same request may be sent again, here to a route that works.
    assert client.post("/departments", json={"name": "treasury"}, headers=headers).is_success


def test_an_error_gives_the_key_free(client: httpx.Client, services: Services) -> None:
    client.post("/departments", json={"name": "one"}, headers={"Idempotency-Key": "key-0001"})
    taken = client.post(
        "/departments", json={"name": "one"}, headers={"Idempotency-Key": "key-0002"}
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "identity.name_taken")
    assert departments(services) == ["one"]


@pytest.mark.parametrize("key", [None, "short", "with space in", "ümlaut-key", "k" * 129])
def test_a_key_that_is_none_is_refused(
    client: httpx.Client, services: Services, key: str | None
) -> None:
    headers = {} if key is None else {"Idempotency-Key": key.encode()}
    answer = client.post("/departments", json={"name": "treasury"}, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert answer.json()["code"] in {"request.invalid", "idempotency.key_invalid"}
    assert departments(services) == []


def test_an_unknown_field_is_named(client: httpx.Client) -> None:
    answer = client.post(
        "/departments", json={"name": "x", "nme": "y"}, headers={"Idempotency-Key": "key-0001"}
    )
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["body.nme"]


@pytest.mark.usefixtures("services")
def test_p6_the_database_does_not_know_a_token(database: TestDatabase) -> None:
    import psycopg  # noqa: PLC0415 - the attacker's own connection

    with psycopg.connect(database.conninfo()) as stolen:
        rows = stolen.execute("SELECT c::text FROM credential AS c").fetchall()
    assert len(rows) == 1
    assert TOKEN not in rows[0][0]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 100_000, "request.body_refused"),
        (b'{"name": "one", "name": "two"}', "request.body_refused"),
        (b'{"name": 1.5}', "request.body_refused"),
        (b'{"name": ', "request.body_refused"),
        (b" " * (5 * 1024 * 1024), "request.too_large"),
    ],
    ids=["deep", "a key twice", "a fraction", "cut", "large"],
)
def test_a_body_that_may_not_be_read(
    client: httpx.Client, services: Services, body: bytes, code: str
) -> None:
    headers = {"Idempotency-Key": "key-0001", "Content-Type": "application/json"}
    answer = client.post("/departments", content=body, headers=headers)
    assert answer.status_code in {413, 422}
    assert answer.json()["code"] == code
    assert departments(services) == []

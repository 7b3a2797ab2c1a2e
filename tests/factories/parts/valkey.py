"""A real Valkey a session, emptied for each test that asks for it."""

import socket
from collections.abc import Iterator

import pytest

from strongroom.cli.dev.program import running
from strongroom.cli.dev.valkey import valkey_program, valkey_url
from tests.factories.parts.place import free_port, short_folder


@pytest.fixture(scope="session")
def valkey_port() -> Iterator[int]:
    """Loopback port of the session's server."""
    port = free_port()
    with (
        short_folder("vk") as folder,
        running(valkey_program(folder / "data", folder / "valkey.log", port)),
    ):
        yield port


@pytest.fixture
def valkey(valkey_port: int) -> str:
    """URL of an empty database 0."""
    with socket.create_connection(("127.0.0.1", valkey_port), timeout=5) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(64).startswith(b"+OK")
    return valkey_url(valkey_port)

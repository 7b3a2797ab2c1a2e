"""What may wait is done when nobody asks, not in the gaps of a steady stream of requests."""

import io
import os
import socket
import threading
from pathlib import Path

import pytest

from strongroom_protocol.wire import HEADER_BYTES, body_length, frame, parse_body
from strongroom_signer.serve import server as serving
from strongroom_signer.serve.dispatch import Dispatcher
from strongroom_signer.serve.server import Server
from tests.factories.parts.place import short_folder
from tests.integration.strongroom_signer.conftest import Desk

REQUESTS = 5
STATUS = frame({"op": "status", "trace": "t", "body": {}})


def served(desk: Desk, hush: threading.Event | None = None) -> list[bool]:
    """What `idle` was told while some requests came one after the other; with `hush` the signer is
    then left alone until that is set.
    """
    told: list[bool] = []
    stop = threading.Event()

    def idle(quiet: bool) -> None:
        told.append(quiet)
        if quiet and hush is not None:
            hush.set()

    def talk(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.settimeout(20)
                connection.connect(str(path))
                for _ in range(REQUESTS):
                    connection.sendall(STATUS)
                    head = connection.recv(HEADER_BYTES, socket.MSG_WAITALL)
                    body = connection.recv(body_length(head), socket.MSG_WAITALL)
                    assert parse_body(body)["ok"]
                if hush is not None:
                    assert hush.wait(20)
            finally:
                stop.set()  # before the signer is woken by the end of the connection

    with short_folder("sgq") as folder:
        path = Path(folder) / "s.sock"
        server = Server(path, frozenset({os.getuid()}), Dispatcher(desk.house, io.StringIO()))
        thread = threading.Thread(target=talk, args=(path,))
        thread.start()
        server.run(stop, idle=idle)
        thread.join(20)
    return told


def test_between_requests_it_is_not_quiet(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "QUIET_SECONDS", 60.0)
    told = served(desk)
    assert told
    assert not any(told)


def test_it_is_quiet_once_nobody_asks(desk: Desk) -> None:
    assert served(desk, threading.Event())[-1]

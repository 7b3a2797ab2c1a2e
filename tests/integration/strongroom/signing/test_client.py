"""The signer's client against a socket that behaves as badly as a socket can."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from strongroom.kit.log import bind_request_id
from strongroom.signing.checkpoints import SignerCheckpoints
from strongroom.signing.client import SignerClient
from strongroom.signing.errors import SignerRefused, SignerUnavailable
from strongroom_protocol.wire import HEADER_BYTES, body_length, frame, parse_body
from tests.factories.parts.place import short_folder

Answer = Callable[[socket.socket, dict[str, Any]], None]


@contextmanager
def answering(answer: Answer) -> Iterator[Path]:
    """A socket that reads one request a connection and leaves the rest to `answer`."""
    with short_folder("sock") as folder, socket.socket(socket.AF_UNIX) as server:
        path = folder / "signer.sock"
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        length = body_length(connection.recv(HEADER_BYTES, socket.MSG_WAITALL))
                        body = connection.recv(length, socket.MSG_WAITALL)
                        answer(connection, parse_body(body))
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield path
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def say(message: dict[str, Any]) -> Answer:
    return lambda connection, _: connection.sendall(frame(message))


def test_an_answer_is_given_back_and_the_request_id_travels_as_trace():
    seen: list[dict[str, Any]] = []

    def answer(connection: socket.socket, request: dict[str, Any]) -> None:
        seen.append(request)
        connection.sendall(frame({"ok": True, "body": {"epoch": 1}}))

    with answering(answer) as path, bind_request_id("r-17"):
        assert SignerClient(path).status() == {"epoch": 1}
    assert seen == [{"op": "status", "trace": "r-17", "body": {}}]


def test_a_refusal_keeps_the_signers_own_code():
    refusal = {"ok": False, "code": "signer.suspended", "message": "stopped", "retryable": False}
    with answering(say(refusal)) as path, pytest.raises(SignerRefused) as caught:
        SignerClient(path).vault_permit({})
    assert caught.value.signer_code == "signer.suspended"
    assert (caught.value.http_status, caught.value.retryable) == (409, False)


def half_an_answer(connection: socket.socket, _: dict[str, Any]) -> None:
    connection.sendall(frame({"ok": True, "body": {}})[:-3])


def far_too_long(connection: socket.socket, _: dict[str, Any]) -> None:
    connection.sendall((2**31).to_bytes(4, "big"))


def no_json(connection: socket.socket, _: dict[str, Any]) -> None:
    connection.sendall(b"\x00\x00\x00\x02{]")


def nothing(connection: socket.socket, _: dict[str, Any]) -> None:
    threading.Event().wait(0.5)
    connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        half_an_answer,
        far_too_long,
        no_json,
        nothing,
        say({"ok": False, "code": "signer.busy", "message": "later", "retryable": True}),
    ],
)
def test_everything_that_is_no_answer_is_unavailable_and_may_be_sent_again(answer: Answer):
    with answering(answer) as path, pytest.raises(SignerUnavailable) as caught:
        SignerClient(path, timeout_seconds=0.3).relay({})
    assert (caught.value.http_status, caught.value.retryable) == (503, True)


def test_nobody_at_the_socket_is_unavailable():
    with short_folder("none") as folder, pytest.raises(SignerUnavailable) as caught:
        SignerClient(folder / "signer.sock").status()
    assert "Start strongroom-signer" in caught.value.message


def test_a_checkpoint_is_asked_for_with_its_proof():
    seen: list[dict[str, Any]] = []

    def answer(connection: socket.socket, request: dict[str, Any]) -> None:
        seen.append(request["body"])
        connection.sendall(frame({"ok": True, "body": {"note": "signed"}}))

    with answering(answer) as path:
        note = SignerCheckpoints(SignerClient(path)).sign(3, bytes(32), [b"\x01" * 32])
    assert note == "signed"
    assert seen == [{"size": 3, "root": "0x" + "00" * 32, "consistency_proof": ["0x" + "01" * 32]}]


def test_what_has_no_canonical_form_is_refused_for_good_and_stops_no_loop(tmp_path: Path) -> None:
    """P10: a row that somebody spoilt is refused, or the relay would stumble on it for ever."""
    with pytest.raises(SignerRefused) as caught:
        SignerClient(tmp_path / "nobody").relay({"purpose": "sweep", "units": 1.5})
    assert caught.value.signer_code == "signer.request_malformed"

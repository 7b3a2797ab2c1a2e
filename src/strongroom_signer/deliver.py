"""`strongroom-signer deliver FILE`: hand requests to the signer at its own machine, so that one
administrator's Suspend or Revoke needs no network, and a cold machine signs from files.

FILE is one request {op, trace, body}, or {"type": "strongroom.requests/1", "requests": […]}. Each
is shown in plain words, agreed to by the person at the terminal, and handed over, in order, to the
end or to the first refusal. Nothing is checked here: the signer checks it like any other.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from strongroom_protocol.bundle import Bundle
from strongroom_protocol.canonical import parse_json
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.wire import FRAME_MAX, HEADER_BYTES, body_length, frame, parse_body
from strongroom_signer.authority.organisations import find
from strongroom_signer.clock import SystemClock
from strongroom_signer.errors import Refused, Unfit
from strongroom_signer.house import House
from strongroom_signer.memory import harden_process
from strongroom_signer.plain_words import words_of
from strongroom_signer.serve.dispatch import Dispatcher
from strongroom_signer.serve.start import opened
from strongroom_signer.settings import Settings

REQUESTS, ANSWERS = "strongroom.requests/1", "strongroom.answers/1"
REQUESTS_MAX = 1000
FILE_MAX = 64 * FRAME_MAX
ANSWER_SECONDS = 60.0
Message = dict[str, Any]
Hand = Callable[[Message], Message]


def add_parser(verbs: Any) -> None:
    """Register `deliver`."""
    deliver = verbs.add_parser("deliver", help="hand requests from a file to this signer")
    deliver.add_argument("request", type=Path, help="a request's JSON file")
    deliver.add_argument("--out", type=Path, help="where the answers go (else: standard output)")
    deliver.add_argument("--yes", action="store_true", help="do not ask; for scripts")


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> bool:
    """Deliver; whether all was honoured. Raises Unfit: an unreadable file, no signer, a no."""
    requests = read_requests(arguments.request)
    if not arguments.yes and not sys.stdin.isatty():
        raise Unfit("somebody must agree to each request: use a terminal, or say --yes")
    answers: list[Message] = []
    with _signer(environment) as (hand, house):
        for request in requests:
            _say(words_of(request, _bundle(house, request)))
            if not arguments.yes:
                _ask()
            answer = hand(request)
            answers.append({"op": request["op"], **answer})
            _say("Done." if answer["ok"] else f"REFUSED ({answer['code']}): {answer['message']}")
            if not answer["ok"]:
                break
    text = json.dumps({"type": ANSWERS, "answers": answers}, indent=1, sort_keys=True) + "\n"
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        arguments.out.write_text(text, encoding="utf-8")
    return len(answers) == len(requests) and bool(answers[-1]["ok"])


def read_requests(path: Path) -> list[Message]:
    """The file's requests, each with exactly op, trace and body. Raises Unfit."""
    try:
        if path.stat().st_size > FILE_MAX:
            raise Unfit(f"{path} is longer than {FILE_MAX} bytes: split it")
        document = parse_json(path.read_bytes())
    except (OSError, ProtocolError) as error:
        raise Unfit(f"{path} is no file of requests: {error}") from None
    listed: Any = [document]
    if isinstance(document, dict) and document.get("type") == REQUESTS:
        listed = document.get("requests", [])
    if not isinstance(listed, list) or not 0 < len(listed) <= REQUESTS_MAX:
        raise Unfit(f"{path} must hold 1 to {REQUESTS_MAX} requests")
    for request in listed:
        whole = isinstance(request, dict) and set(request) == {"op", "trace", "body"}
        if not whole or not isinstance(request["op"], str) or not isinstance(request["body"], dict):
            raise Unfit(f"{path}: a request has exactly op, trace and body, and body is an object")
    return listed


@contextmanager
def _signer(environment: Mapping[str, str]) -> Iterator[tuple[Hand, House | None]]:
    """The signer that serves the socket; if none does, the house itself."""
    path = environment.get("STRONGROOM_SIGNER_SOCKET")
    if path and _answers(path):
        yield lambda request: _ask_socket(path, request), None
        return
    for warning in harden_process():
        _say(f"Warning: {warning}.")
    with opened(Settings.from_environment(environment), SystemClock()) as house:
        yield Dispatcher(house).answer, house


def _answers(path: str) -> bool:
    try:
        with _connected(path):
            return True
    except PermissionError:
        raise Unfit(f"you may not talk to the signer at {path}: ask its operator") from None
    except OSError:
        return False


def _ask_socket(path: str, request: Message) -> Message:
    with _connected(path) as connection:
        # Whom the signer does not know gets its answer before he has asked.
        with suppress(BrokenPipeError):
            connection.sendall(frame(request))
        try:
            length = body_length(_exactly(connection, HEADER_BYTES))
            return parse_body(_exactly(connection, length))
        except (OSError, ProtocolError) as error:
            raise Unfit(f"the signer gave no answer ({error}): deliver it again") from None


@contextmanager
def _connected(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(path)
        yield connection


def _exactly(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise ConnectionError("it hung up")
        received += part
    return received


def _bundle(house: House | None, request: Message) -> Bundle | None:
    """The organisation's policy as this signer holds it: it has the names."""
    with suppress(Refused, ProtocolError):
        if house is not None:
            return find(house, from_hex(request["body"].get("organisation"), 32)).bundle
    return None


def _ask() -> None:
    _say("Deliver this to the signer? Write yes or no:")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Unfit("not delivered, because nobody said yes")


def _say(words: str) -> None:
    sys.stderr.write(words + os.linesep)
    sys.stderr.flush()

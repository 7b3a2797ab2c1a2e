"""Is it there yet? Small questions over loopback, each answered within a second, never raising."""

import http.client
import json
import socket
from collections.abc import Callable
from pathlib import Path

PROBE_SECONDS = 1.0
LOOPBACK = "127.0.0.1"


def http_ok(port: int, path: str) -> Callable[[], bool]:
    """Return a probe: GET path answers 200."""

    def probe() -> bool:
        try:
            return _request(port, "GET", path)[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    return probe


def node_answers(port: int) -> Callable[[], bool]:
    """Return a probe: an EVM node answers eth_chainId."""

    def probe() -> bool:
        try:
            call(port, "eth_chainId")
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return True

    return probe


def redis_answers(port: int) -> Callable[[], bool]:
    """Return a probe: the server answers PING with PONG (RESP; a loading server says -LOADING)."""

    def probe() -> bool:
        try:
            with socket.create_connection((LOOPBACK, port), timeout=PROBE_SECONDS) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    return probe


def unix_socket_accepts(path: Path) -> Callable[[], bool]:
    """Return a probe: somebody listens on the unix socket."""

    def probe() -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PROBE_SECONDS)
            try:
                connection.connect(str(path))
            except OSError:
                return False
            return True

    return probe


def call(port: int, method: str, *parameters: object) -> object:
    """Make one JSON-RPC call to a node on loopback. Raises ValueError for an error answer."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
    _, answer = _request(port, "POST", "/", json.dumps(body))
    parsed = json.loads(answer)
    if "result" not in parsed:
        message = f"{method}: {parsed.get('error')}"
        raise ValueError(message)
    result: object = parsed["result"]
    return result


def _request(port: int, verb: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_SECONDS)
    try:
        connection.request(verb, path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()

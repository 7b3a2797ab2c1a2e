"""/healthz, /readyz and /metrics of a process, on its own loopback port (0 = none).

healthz: the process answers. readyz: every named check passed just now; it says which one failed.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from strongroom.kit import metrics

LOOPBACK: Final = "127.0.0.1"


def readiness(checks: Mapping[str, Callable[[], None]]) -> tuple[bool, dict[str, str]]:
    """Run every check; what raises is not ready. Gives (all passed, name -> "ok" or the reason)."""
    found: dict[str, str] = {}
    for name, passes in checks.items():
        try:
            passes()
        except Exception as error:  # noqa: BLE001 - a health check reports whatever goes wrong
            found[name] = f"{type(error).__name__}: {error}"
        else:
            found[name] = "ok"
    return all(state == "ok" for state in found.values()), found


class HealthServer:
    """Serves health and metrics from a daemon thread between start() and stop()."""

    def __init__(self, checks: Mapping[str, Callable[[], None]], port: int) -> None:
        """`checks` raise when their part is away; port 0 serves nothing."""
        self._checks = checks
        self._port = port
        self._server: ThreadingHTTPServer | None = None

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a path."""
        if path == "/metrics":
            return 200, metrics.CONTENT_TYPE, metrics.render()
        if path == "/healthz":
            return 200, "application/json", b'{"status":"ok"}'
        if path == "/readyz":
            ready, found = readiness(self._checks)
            body = json.dumps({"status": "ok" if ready else "unavailable", "checks": found})
            return 200 if ready else 503, "application/json", body.encode()
        return 404, "application/json", b'{"status":"not found"}'

    def start(self) -> None:
        """Listen, unless the port is 0."""
        if self._port == 0:
            return
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = outer.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Health checks every few seconds would drown the log."""

        self._server = ThreadingHTTPServer((LOOPBACK, self._port), Handler)
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

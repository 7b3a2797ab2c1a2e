"""/healthz, /readyz, /metrics on a loopback port, off by default: a thread that reads a snapshot
and never touches token or journal. In production the signer has no network at all.
"""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from strongroom_signer.errors import Unfit

STALE_SECONDS = 15.0


class Snapshot:
    """What the serving loop last said about itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._beat = 0.0
        self._metrics = ""

    def beat(self, journal_size: int, outcomes: dict[tuple[str, str], int]) -> None:
        """Called by the serving loop a few times a second."""
        lines = ["# TYPE strongroom_signer_requests_total counter"]
        lines += [
            f'strongroom_signer_requests_total{{op="{op}",outcome="{outcome}"}} {count}'
            for (op, outcome), count in sorted(outcomes.items())
        ]
        lines += ["# TYPE strongroom_signer_receipts gauge"]
        lines += [f"strongroom_signer_receipts {journal_size}"]
        with self._lock:
            self._beat, self._metrics = time.monotonic(), "\n".join(lines) + "\n"

    def read(self) -> tuple[bool, str]:
        """Is the loop alive, and its metrics as text."""
        with self._lock:
            return time.monotonic() - self._beat < STALE_SECONDS, self._metrics


def serve_health(port: int, snapshot: Snapshot) -> ThreadingHTTPServer | None:
    """Start the thread, or do nothing for port 0. The caller shuts it down. Raises Unfit."""
    if port == 0:
        return None

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            alive, metrics = snapshot.read()
            if self.path == "/metrics":
                self._reply(200, metrics)
            elif self.path in ("/healthz", "/readyz"):
                self._reply(200 if alive else 503, "ok\n" if alive else "serving loop is silent\n")
            else:
                self._reply(404, "unknown path\n")

        def _reply(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_arguments: Any) -> None:
            """Silence: the signer's log is for its own requests."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise Unfit(
            f"the health port {port} cannot be opened ({error.strerror}): another process has it; "
            "change STRONGROOM_HEALTH_PORT"
        ) from None
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server

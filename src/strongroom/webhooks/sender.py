"""One POST to one endpoint: no redirect is followed, no answer is kept, and it ends in time.

Outside of any transaction. http.client and not a bigger library, because the connection must go to
the address that the guard judged, under the host's own name and certificate.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Final

from strongroom.webhooks.errors import EndpointInvalid
from strongroom.webhooks.guard import Guard
from strongroom.webhooks.rules import split_url
from strongroom.webhooks.types import Answer

TIMEOUT_SECONDS: Final = 10.0
"""For all of it, from the connection on, however slowly the other side drips."""
ADDRESSES_MAX: Final = 2
"""How many of a host's addresses are tried."""
OUTCOME_MAX: Final = 300


class Sender:
    """POSTs. Safe for several threads at once."""

    def __init__(self, guard: Guard, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """`guard` decides where it may go."""
        self._guard = guard
        self._timeout = timeout_seconds
        self._tls = ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send it; whatever goes wrong is the answer's outcome, never an exception."""
        started = time.perf_counter()
        status, outcome = self._try(url, headers, body)
        milliseconds = round((time.perf_counter() - started) * 1_000)
        return Answer(status, outcome[:OUTCOME_MAX], milliseconds)

    def _try(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int | None, str]:
        try:
            self._guard.check_url(url)
            status = self._exchange(url, headers, body)
        except EndpointInvalid as error:
            return None, f"Not sent: {error}"
        except socket.gaierror:
            return None, "The host's name is not known."
        except ssl.SSLError as error:
            return None, f"No secure connection: {error.reason or 'it broke off'}."
        except TimeoutError:
            return None, "No answer in time."
        except (OSError, http.client.HTTPException, ValueError) as error:
            return None, f"No answer: {type(error).__name__}."
        if 300 <= status < 400:
            return status, f"Answered {status}; a redirect is not followed."
        return status, f"Answered {status}."

    def _exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        parts = split_url(url)
        secure, host = parts.scheme == "https", parts.hostname or ""
        plain = self._connect(host, parts.port or (443 if secure else 80))
        with (
            self._tls.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
            if secure
            else plain
        ) as line:
            late = threading.Event()
            timer = threading.Timer(self._timeout, _cut, (line, late))
            timer.start()
            try:
                if isinstance(line, ssl.SSLSocket):
                    line.do_handshake()
                connection = http.client.HTTPConnection(host, parts.port)
                connection.sock = line
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("POST", target, body, {"Host": parts.netloc, **headers})
                with connection.getresponse() as response:
                    return response.status
            except (OSError, http.client.HTTPException, ValueError) as error:
                if late.is_set():
                    raise TimeoutError from error
                raise
            finally:
                timer.cancel()

    def _connect(self, host: str, port: int) -> socket.socket:
        addresses = self._guard.addresses(host, port)[:ADDRESSES_MAX]
        refused: OSError = TimeoutError()
        for family, address in addresses:
            line = socket.socket(family, socket.SOCK_STREAM)
            line.settimeout(self._timeout / len(addresses))
            try:
                line.connect((address, port))
            except OSError as error:
                line.close()
                refused = error
                continue
            line.settimeout(self._timeout)
            return line
        raise refused


def _cut(line: socket.socket, late: threading.Event) -> None:
    """The whole time is over. Past the TLS layer, which another thread is in."""
    late.set()
    try:
        socket.socket.shutdown(line, socket.SHUT_RDWR)
    except OSError:
        return

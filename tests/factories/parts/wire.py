"""A way to a port of this machine that falls silent without closing, or breaks."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Wire:
    """Passes bytes between whoever connects and the port behind, until told otherwise."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        self._muted: set[socket.socket] = set()
        self._down = False
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def mute(self) -> None:
        """From now on nothing comes back on what is connected; nothing closes."""
        self._muted |= set(self._open)

    def cut(self, *, down: bool = False) -> None:
        """Close what is connected; `down`: and what connects from now on, until `cut()`."""
        self._down = down
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        self.cut(down=True)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            if self._down:
                client.close()
                continue
            node = socket.create_connection(("127.0.0.1", self._upstream))
            self._open += [client, node]
            for source, target in ((client, node), (node, client)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if source not in self._muted:
                    target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        target.close()


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """A wire to the port, closed on the way out."""
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()

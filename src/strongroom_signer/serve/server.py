"""The unix socket: 0600, peer's user checked, frames of strongroom_protocol.wire, one request at a
time. Connections are read without blocking, so a slow or silent peer keeps nobody waiting.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.wire import HEADER_BYTES, body_length, frame, parse_body
from strongroom_signer.errors import Refused, Unfit
from strongroom_signer.serve.dispatch import Dispatcher

CONNECTIONS_MAX = 64
IDLE_SECONDS = 30.0
SEND_SECONDS = 5.0
TICK_SECONDS = 0.2
_READ_BYTES = 1 << 16
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


@dataclass(slots=True)
class _Peer:
    connection: socket.socket
    last_heard: float
    api: bool
    buffer: bytearray = field(default_factory=bytearray)


class Server:
    """Serves until `stop` is set."""

    def __init__(
        self,
        path: Path,
        allowed_uids: frozenset[int],
        dispatcher: Dispatcher,
        api_uids: frozenset[int] = frozenset(),
    ) -> None:
        """Binds the socket; raises Unfit when another signer answers there. Users in `api_uids`
        may ask the API's operations only.
        """
        self._dispatcher = dispatcher
        self._allowed_uids = allowed_uids | api_uids
        self._api_uids = api_uids
        self._path = path
        self._selector = selectors.DefaultSelector()
        # Users other than our own come in by the folder's group; SO_PEERCRED says who they are.
        others = self._allowed_uids - {os.getuid()}
        self._listener = _bind(path, 0o660 if others else 0o600)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._peers: dict[int, _Peer] = {}

    def run(self, stop: threading.Event, tick: Callable[[], None] = lambda: None) -> None:
        """Until `stop`; `tick` is called a few times a second."""
        try:
            while not stop.is_set():
                for key, _ in self._selector.select(TICK_SECONDS):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fd in self._peers:
                        self._hear(self._peers[key.fd])
                self._drop_idle()
                tick()
        finally:
            self._close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(raw)
        if uid not in self._allowed_uids:
            refusal = Refused("peer_unknown", f"user {uid} may not talk to the signer")
            self._send(connection, self._dispatcher.refuse("connect", "", refusal))
            connection.close()
        elif len(self._peers) >= CONNECTIONS_MAX:
            connection.close()
        else:
            connection.setblocking(False)
            self._peers[connection.fileno()] = _Peer(
                connection, time.monotonic(), uid in self._api_uids
            )
            self._selector.register(connection, selectors.EVENT_READ)

    def _hear(self, peer: _Peer) -> None:
        try:
            data = peer.connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(peer)
            return
        peer.last_heard = time.monotonic()
        peer.buffer += data
        try:
            while (body := _take_frame(peer.buffer)) is not None:
                answer = self._dispatcher.answer(parse_body(body), api=peer.api)
                if not self._send(peer.connection, answer):
                    self._drop(peer)
                    return
        except ProtocolError as error:
            refusal = Refused("frame_malformed", str(error))
            self._send(peer.connection, self._dispatcher.refuse("frame", "", refusal))
            self._drop(peer)

    def _send(self, connection: socket.socket, answer: dict[str, object]) -> bool:
        connection.settimeout(SEND_SECONDS)
        try:
            connection.sendall(frame(answer))
            connection.setblocking(False)
        except OSError:
            return False
        return True

    def _drop_idle(self) -> None:
        oldest = time.monotonic() - IDLE_SECONDS
        for peer in [peer for peer in self._peers.values() if peer.last_heard < oldest]:
            self._drop(peer)

    def _drop(self, peer: _Peer) -> None:
        self._selector.unregister(peer.connection)
        del self._peers[peer.connection.fileno()]
        peer.connection.close()

    def _close(self) -> None:
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._selector.close()
        self._listener.close()
        self._path.unlink(missing_ok=True)


def _take_frame(buffer: bytearray) -> bytes | None:
    """The body of the first whole frame, taken off; None while it is not whole yet."""
    if len(buffer) < HEADER_BYTES:
        return None
    end = HEADER_BYTES + body_length(bytes(buffer[:HEADER_BYTES]))
    if len(buffer) < end:
        return None
    body = bytes(buffer[HEADER_BYTES:end])
    del buffer[:end]
    return body


def _bind(path: Path, mode: int) -> socket.socket:
    """The journal's lock is held, so whatever lies at `path` is a leftover of a dead signer."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path.unlink(missing_ok=True)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        raise Unfit(f"the socket {path} cannot be made: {error.strerror}") from None
    finally:
        os.umask(mask)
    path.chmod(mode)
    listener.listen(CONNECTIONS_MAX)
    listener.setblocking(False)
    return listener

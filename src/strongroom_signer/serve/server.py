"""The unix socket: 0600, peer's user checked, frames of strongroom_protocol.wire. What waits on all
connections is drained and answered as one batch, one request a connection. Nothing here blocks: a
slow or silent peer keeps nobody waiting, and is dropped when its time is over.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.wire import FRAME_MAX, HEADER_BYTES, body_length, frame, parse_body
from strongroom_signer.errors import Refused, Unfit
from strongroom_signer.serve.dispatch import BATCH_MAX, Dispatcher

CONNECTIONS_MAX = BATCH_MAX
# No user can take all of them from the others.
CONNECTIONS_A_USER = 48
IDLE_SECONDS = 30.0
# To finish a frame that was begun, or to take an answer.
FRAME_SECONDS = 5.0
TICK_SECONDS = 0.2
# A steady stream of requests leaves gaps of a few milliseconds; longer ones are worth filling.
QUIET_SECONDS = 0.02
# Longer ones take long to read (up to a second a MiB), so a batch has one of them at most.
SMALL_BYTES = 1 << 14
_READ_BYTES = 1 << 16
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


@dataclass(slots=True, eq=False)
class _Peer:
    """A connection; `due` is when it is dropped unless something whole has passed by then."""

    connection: socket.socket
    uid: int
    due: float
    incoming: bytearray = field(default_factory=bytearray)
    outgoing: bytearray = field(default_factory=bytearray)
    large_at: float = 0.0


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
        self._large_uid = -1

    def run(
        self,
        stop: threading.Event,
        tick: Callable[[], None] = lambda: None,
        idle: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Until `stop`; `tick` is called a few times a second, `idle` when nobody waits: with False
        in each gap between requests, with True once it is quiet.
        """
        next_tick, waiting = 0.0, False
        try:
            while not stop.is_set():
                events = self._selector.select(0)
                if not (events or waiting):
                    events = self._await(idle)
                for key, _ in events:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fd in self._peers:
                        self._attend(self._peers[key.fd])
                waiting = self._answer()
                if (now := time.monotonic()) >= next_tick:
                    next_tick = now + TICK_SECONDS
                    self._drop_overdue(now)
                    tick()
        finally:
            self._close()

    def _await(self, idle: Callable[[bool], None]) -> list[tuple[selectors.SelectorKey, int]]:
        """What happens next, if anything does before the next tick."""
        idle(False)
        events = self._selector.select(QUIET_SECONDS)
        if not events:
            idle(True)
            events = self._selector.select(TICK_SECONDS)
        return events

    def _accept(self) -> None:
        """Everybody who waits at the door, with what they brought along."""
        for _ in range(CONNECTIONS_MAX):
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(raw)
        peer = _Peer(connection, uid, time.monotonic() + IDLE_SECONDS)
        of_user = sum(other.uid == uid for other in self._peers.values())
        if len(self._peers) >= CONNECTIONS_MAX or of_user >= CONNECTIONS_A_USER:
            connection.close()
            return
        self._peers[connection.fileno()] = peer
        self._selector.register(connection, selectors.EVENT_READ)
        if uid not in self._allowed_uids:
            self._refuse(peer, "connect", "peer_unknown", f"user {uid} may not talk to the signer")
        else:
            self._hear(peer)

    def _attend(self, peer: _Peer) -> None:
        """Send what waits, or read; nothing more while the longest request is there already."""
        if peer.outgoing:
            self._flush(peer)
        elif len(peer.incoming) < HEADER_BYTES + FRAME_MAX:
            self._hear(peer)

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
        if not peer.incoming:
            peer.due = time.monotonic() + FRAME_SECONDS
        peer.incoming += data

    def _answer(self) -> bool:
        """One request of every peer that has a whole one; whether there is more already."""
        asked = list(self._requests())
        if asked:
            answers = self._dispatcher.answer_all(
                [(request, peer.uid in self._api_uids) for peer, request in asked]
            )
            for (peer, _), answer in zip(asked, answers, strict=True):
                self._send(peer, answer)
        return any(_is_whole(peer.incoming) and not peer.outgoing for peer in self._peers.values())

    def _requests(self) -> Iterator[tuple[_Peer, dict[str, Any]]]:
        """All small requests, and a large one by turns of users: nobody waits for more than one."""
        ready = [peer for peer in self._peers.values() if peer.incoming and not peer.outgoing]
        large = [peer for peer in ready if _is_whole(peer.incoming, more_than=SMALL_BYTES)]
        turns = [peer for peer in ready if peer not in large]
        if large:
            turn = min(large, key=lambda peer: (peer.uid == self._large_uid, peer.large_at))
            self._large_uid, turn.large_at = turn.uid, time.monotonic()
            turns.append(turn)
        for peer in turns:
            try:
                body = _take_frame(peer.incoming)
                if body is not None:
                    yield peer, parse_body(body)
            except ProtocolError as error:
                self._refuse(peer, "frame", "frame_malformed", str(error))

    def _refuse(self, peer: _Peer, op: str, code: str, words: str) -> None:
        """A last word, if the peer takes it at once."""
        answer = self._dispatcher.refuse(op, "", Refused(code, words))
        self._send(peer, answer)
        self._drop(peer)

    def _send(self, peer: _Peer, answer: dict[str, Any]) -> None:
        try:
            peer.outgoing += frame(answer)
        except ProtocolError as error:
            refusal = Refused("answer_too_long", str(error))
            peer.outgoing += frame(self._dispatcher.refuse("frame", "", refusal))
        peer.due = time.monotonic() + FRAME_SECONDS
        self._flush(peer)

    def _flush(self, peer: _Peer) -> None:
        """Send what the peer takes now; while some waits, nothing more of it is read."""
        try:
            sent = peer.connection.send(peer.outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(peer)
            return
        del peer.outgoing[:sent]
        if not (peer.outgoing or peer.incoming):
            peer.due = time.monotonic() + IDLE_SECONDS
        events = selectors.EVENT_WRITE if peer.outgoing else selectors.EVENT_READ
        if self._selector.get_key(peer.connection).events != events:
            self._selector.modify(peer.connection, events)

    def _drop_overdue(self, now: float) -> None:
        for peer in [peer for peer in self._peers.values() if peer.due < now]:
            self._drop(peer)

    def _drop(self, peer: _Peer) -> None:
        if self._peers.pop(peer.connection.fileno(), None) is not None:
            self._selector.unregister(peer.connection)
            peer.connection.close()

    def _close(self) -> None:
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._selector.close()
        self._listener.close()
        self._path.unlink(missing_ok=True)


def _is_whole(buffer: bytearray, *, more_than: int = -1) -> bool:
    """Whether a frame is there to its end, with a body of more than so many bytes."""
    length = int.from_bytes(buffer[:HEADER_BYTES], "big")
    return len(buffer) >= HEADER_BYTES and more_than < length <= len(buffer) - HEADER_BYTES


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

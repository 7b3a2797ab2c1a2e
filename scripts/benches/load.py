"""Frames over a unix socket, as fast as they are answered or at their own moments."""

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HEADER_BYTES = 4


@dataclass(frozen=True, slots=True)
class Driven:
    """What came back, in seconds; `took` is each answer's time since its request was due."""

    answers: list[bytes]
    took: list[float]
    elapsed: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.elapsed


def drive(
    path: Path, frames: Sequence[bytes], connections: int, due: Sequence[float] | None = None
) -> Driven:
    """Send every frame and take its answer. Without `due` each connection asks again as soon as it
    is answered; with it, frame i goes out at due[i] seconds, whoever is late (an open loop).
    """
    waits = selectors.SelectSelector()  # unlike epoll's, its time-outs are finer than 1 ms
    free: list[socket.socket] = []
    for _ in range(connections):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(str(path))
        waits.register(connection, selectors.EVENT_READ)
        free.append(connection)
    asked: dict[socket.socket, float] = {}
    parts = {connection: bytearray() for connection in free}
    answers: list[bytes] = []
    took: list[float] = []
    sent = 0
    begun = time.perf_counter()
    while len(answers) < len(frames):
        now = time.perf_counter() - begun
        while free and sent < len(frames) and (due is None or due[sent] <= now):
            connection = free.pop()
            asked[connection] = now if due is None else due[sent]
            connection.sendall(frames[sent])
            sent += 1
        pause = None
        if due is not None and free and sent < len(frames):
            pause = max(0.0, due[sent] - (time.perf_counter() - begun))
        for key, _ in waits.select(pause):
            connection = key.fileobj  # type: ignore[assignment]
            answer = _answer(connection, parts[connection])
            if answer is not None:
                took.append(time.perf_counter() - begun - asked[connection])
                answers.append(answer)
                free.append(connection)
    elapsed = time.perf_counter() - begun
    for connection in parts:
        connection.close()
    return Driven(answers, took, elapsed)


def _answer(connection: socket.socket, part: bytearray) -> bytes | None:
    """The body of an answer that is whole now."""
    data = connection.recv(1 << 16)
    if not data:
        raise ConnectionError("the signer hung up")
    part += data
    if len(part) < HEADER_BYTES + int.from_bytes(part[:HEADER_BYTES], "big"):
        return None
    body = bytes(part[HEADER_BYTES:])
    part.clear()
    return body

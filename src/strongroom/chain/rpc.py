"""JSON-RPC 2.0 batches as bytes: written, read, matched by id. No socket here.

Answers may come reordered, short, or as one error for the whole batch; each has its error.
"""

import functools
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from strongroom.chain.errors import ChainError, LimitExceeded, NodeLied, NodeUnavailable
from strongroom.chain.node_texts import classify

T = TypeVar("T")


class Call(NamedTuple):
    """One method with its parameters, as JSON values."""

    method: str
    params: tuple[Any, ...] = ()


class _Failure(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: Any = None


class _Answer(msgspec.Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Failure | None = None


_answers = msgspec.json.Decoder(list[_Answer] | _Answer)


def encode(calls: Sequence[Call]) -> bytes:
    """The batch as JSON; ids are the positions."""
    return msgspec.json.encode(
        [
            {"jsonrpc": "2.0", "id": index, "method": call.method, "params": call.params}
            for index, call in enumerate(calls)
        ]
    )


def decode(status: int, body: bytes, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
    """One result or error a call, in the order of the calls.

    Raises LimitExceeded (429, 413), NodeUnavailable (no JSON-RPC at all), NodeLied (ids missing).
    """
    if status in (413, 429):
        raise LimitExceeded(f"The node caps requests (HTTP {status}); ask for less or later.")
    try:
        answers = _answers.decode(body)
    except msgspec.DecodeError as error:
        raise NodeUnavailable(f"The node sent no JSON-RPC answer (HTTP {status}).") from error
    if isinstance(answers, _Answer):
        if answers.error is None:
            raise NodeLied("The node answered a batch with a single result.")
        raise _error(calls[0].method, answers.error)
    by_id = {answer.id: answer for answer in answers}
    if set(by_id) != set(range(len(calls))):
        raise NodeLied(f"The node answered {len(by_id)} of {len(calls)} calls of one batch.")
    return [
        by_id[index].result
        if (failure := by_id[index].error) is None
        else _error(call.method, failure)
        for index, call in enumerate(calls)
    ]


def read(answer: msgspec.Raw | ChainError, kind: type[T]) -> T:
    """The result as `kind`; raises its error, or NodeLied when it has another shape."""
    if isinstance(answer, ChainError):
        raise answer
    try:
        found: T = _decoder(cast("Hashable", kind)).decode(answer)
    except msgspec.ValidationError as error:
        raise NodeLied(f"An answer of the node has the wrong shape: {error}.") from error
    return found


@functools.cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast("Any", kind))


def read_optional(answer: msgspec.Raw | ChainError, kind: type[T]) -> T | None:
    """The result as `kind`, or None where the node answered null."""
    if isinstance(answer, msgspec.Raw) and bytes(answer) == b"null":
        return None
    return read(answer, kind)


def quantity(text: str) -> int:
    """A JSON-RPC quantity ("0x1f") as an integer."""
    try:
        return int(text, 16)
    except ValueError as error:
        raise NodeLied(f"The node sent {text[:40]!r} where a quantity belongs.") from error


def octets(text: str, length: int | None = None) -> bytes:
    """JSON-RPC data ("0x…") as bytes, of the given length if one is given."""
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise NodeLied(f"The node sent {text[:40]!r} where bytes belong.") from error
    if length is not None and len(data) != length:
        raise NodeLied(f"The node sent {len(data)} bytes where {length} belong.")
    return data


def _error(method: str, failure: _Failure) -> ChainError:
    data = failure.data if isinstance(failure.data, str) else msgspec.json.encode(failure.data)
    text = data if isinstance(data, str) else data.decode()
    return classify(method, failure.code, failure.message, "" if text == "null" else text)

"""Batches come back reordered, short, or as something else; each is noticed."""

import json
from typing import Any

import pytest

from strongroom.chain.errors import LimitExceeded, NodeLied, NodeUnavailable, NonceTooLow
from strongroom.chain.rpc import Call, decode, encode, octets, quantity, read, read_optional

CALLS = [Call("eth_a"), Call("eth_b", ("0x1", {"x": True}))]


def answer(*items: Any) -> bytes:
    return json.dumps(items).encode()


def test_a_batch_names_its_calls_by_position():
    sent = json.loads(encode(CALLS))
    assert [(item["id"], item["method"]) for item in sent] == [(0, "eth_a"), (1, "eth_b")]
    assert sent[1]["params"] == ["0x1", {"x": True}]


def test_reordered_answers_are_put_in_order():
    body = answer({"id": 1, "result": "second"}, {"id": 0, "result": "first"})
    assert [read(item, str) for item in decode(200, body, CALLS)] == ["first", "second"]


def test_one_failing_call_leaves_the_others():
    body = answer({"id": 0, "error": {"code": -32000, "message": "nonce too low"}}, {"id": 1})
    first, second = decode(200, body, CALLS)
    assert isinstance(first, NonceTooLow)
    assert read_optional(second, str) is None


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, answer({"id": 0, "result": 1}), NodeLied),
        (200, answer({"id": 0}, {"id": 0}), NodeLied),
        (200, b'{"id":null,"result":1}', NodeLied),
        (200, b"<html>", NodeUnavailable),
        (502, b"Bad gateway", NodeUnavailable),
        (429, b"slow down", LimitExceeded),
        (413, b"", LimitExceeded),
    ],
)
def test_a_broken_batch_is_refused_whole(status: int, body: bytes, error: type[Exception]):
    with pytest.raises(error):
        decode(status, body, CALLS)


def test_an_error_for_the_whole_batch_is_raised():
    body = b'{"id":null,"error":{"code":-32005,"message":"limit exceeded"}}'
    with pytest.raises(LimitExceeded):
        decode(200, body, CALLS)


def test_an_answer_of_another_shape_is_a_lie():
    (found,) = decode(200, answer({"id": 0, "result": 5}), CALLS[:1])
    with pytest.raises(NodeLied):
        read(found, str)


def test_hex_is_read_strictly():
    assert quantity("0x1f") == 31
    assert octets("0x00ff") == b"\0\xff"
    with pytest.raises(NodeLied):
        octets("0x00", 32)
    with pytest.raises(NodeLied):
        octets("0xzz")
    with pytest.raises(NodeLied):
        quantity("soon")

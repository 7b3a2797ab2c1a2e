import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.canonical import NotCanonical
from strongroom_protocol.encoding import from_decimal, from_hex, to_hex
from strongroom_protocol.errors import FieldInvalid, ProtocolError
from strongroom_protocol.wire import FRAME_MAX, FrameInvalid, body_length, frame, parse_body

MESSAGES = st.dictionaries(st.text(), st.text() | st.integers(0, 2**53 - 1) | st.lists(st.text()))


@given(MESSAGES)
def test_a_frame_reads_back(message):
    data = frame(message)
    assert body_length(data[:4]) == len(data) - 4
    assert parse_body(data[4:]) == message


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused_in_one_family(body):
    with contextlib.suppress(ProtocolError):
        assert frame(parse_body(body))[4:] == body


@pytest.mark.parametrize("body", [b"[]", b'"a"', b"5", b"null"])
def test_only_objects_are_messages(body):
    with pytest.raises(FrameInvalid):
        parse_body(body)


def test_white_space_is_not_canonical():
    with pytest.raises(NotCanonical):
        parse_body(b'{"op": "status"}')


@pytest.mark.parametrize(
    "header", [b"", b"\0\0\0", b"\0\0\0\0", b"\0\0\0\0\1", (FRAME_MAX + 1).to_bytes(4, "big")]
)
def test_lengths_out_of_bounds_are_refused(header):
    with pytest.raises(FrameInvalid):
        body_length(header)


def test_a_message_above_one_mebibyte_is_refused():
    with pytest.raises(FrameInvalid):
        frame({"a": "x" * FRAME_MAX})


@given(st.binary(max_size=40), st.integers(0, 2**256 - 1))
def test_hex_and_decimal_read_back(data, number):
    assert from_hex(to_hex(data)) == data
    assert from_decimal(str(number)) == number


@pytest.mark.parametrize("text", ["", "0X00", "0x0", "00", "0xAB", "0x0g", "0x00\n", 5, None])
def test_other_hex_is_refused(text):
    with pytest.raises(FieldInvalid, match="here"):
        from_hex(text, field="here")


@pytest.mark.parametrize("text", ["", "-1", "01", "+1", "1.0", " 1", "1e3", "٣", "9" * 79, 5, None])
def test_other_decimals_are_refused(text):
    with pytest.raises(FieldInvalid):
        from_decimal(text)
    with pytest.raises(FieldInvalid):
        from_decimal("256", 8)

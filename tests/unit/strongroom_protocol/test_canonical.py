import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.canonical import (
    NotCanonical,
    canonical_bytes,
    content_hash,
    parse_canonical,
    parse_json,
)
from strongroom_protocol.hashing import keccak256

TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_keccak_of_nothing_is_the_known_constant():
    assert keccak256(b"").hex() == (
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    )


def test_rfc_8785_example_of_sorted_keys():
    value = {
        "€": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\x80": "Control",
        "ö": "Latin Small Letter O With Diaeresis",
    }
    assert list(parse_json(canonical_bytes(value))) == [
        "\r", "1", "\x80", "ö", "€", "\U0001f600", "\ufb33",
    ]  # fmt: skip


def test_rfc_8785_example_of_strings_and_literals():
    value = {"string": '€$\u000f\nA\'B"\\\\"/', "literals": [None, True, False]}
    assert canonical_bytes(value) == (
        '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'.encode()
    )


@given(TREES)
def test_what_is_written_reads_back_and_writes_the_same(value):
    data = canonical_bytes(value)
    assert parse_canonical(data) == value
    assert canonical_bytes(parse_json(data)) == data


@given(st.dictionaries(st.text(), st.integers(0, 9), min_size=2))
def test_order_of_members_does_not_change_the_hash(value):
    assert content_hash(dict(reversed(value.items()))) == content_hash(value)


@pytest.mark.parametrize(
    "value",
    [1.0, {"a": 0.5}, 2**53, -(2**53), {1: "a"}, b"bytes", {"a": {1, 2}}, "\ud800", object()],
)
def test_values_without_canonical_form_are_refused(value):
    with pytest.raises(NotCanonical):
        canonical_bytes(value)


def test_depth_is_bounded_both_ways():
    deep: list[object] = []
    for _ in range(40):
        deep = [deep]
    with pytest.raises(NotCanonical, match="deeper"):
        canonical_bytes(deep)
    with pytest.raises(NotCanonical, match="deeper"):
        parse_json(b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(NotCanonical, match="deeper"):
        parse_json(b'{"a":' * 33)
    assert parse_json(b'"' + b"[" * 100 + b'"') == "[" * 100


def test_a_flood_of_quotes_is_refused_in_linear_time():
    with pytest.raises(NotCanonical):
        parse_json(b'"' + b'\\"' * 500_000)


@pytest.mark.parametrize(
    "text",
    [b'{"a":1,"a":2}', b"1.0", b"1e3", b"NaN", b"Infinity", b"{", b"\xff", b"9007199254740992"],
)
def test_ambiguous_texts_are_refused(text):
    with pytest.raises(NotCanonical):
        parse_json(text)


@pytest.mark.parametrize(
    "text", [b'{"b":1,"a":2}', b'{ "a":1}', b'"\\u0041"', b"-0", b'{"\\ud800":0}']
)
def test_json_in_another_form_is_not_canonical(text):
    with pytest.raises(NotCanonical):
        parse_canonical(text)


@given(TREES)
def test_the_fast_writer_equals_the_reference_implementation(value):
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=0xD000, exclude_categories=["Cs"])), st.integers(0, 9)
    )
)
def test_keys_are_in_the_order_of_utf_16(value):
    assert canonical_bytes(value) == rfc8785.dumps(value)


def test_what_may_be_written_may_be_read_at_the_greatest_depth():
    deep: list[object] = ["x", 1, None, True]
    for _ in range(31):
        deep = [deep]
    assert parse_canonical(canonical_bytes(deep)) == deep
    with pytest.raises(NotCanonical, match="deeper"):
        canonical_bytes([deep])
    with pytest.raises(NotCanonical, match="deeper"):
        parse_json(b"[" * 33 + b"]" * 33)
    for text in (b"[" * 20 + b"{}" * 20, b"]" * 20, b"[}" * 9, b'{"a":[}'):
        with pytest.raises(NotCanonical):
            parse_json(text)

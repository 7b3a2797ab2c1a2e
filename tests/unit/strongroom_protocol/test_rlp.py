import pytest
import rlp as reference
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.errors import RangeExceeded
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.rlp import encode

ITEMS = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=8))
LOREM = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (b"dog", b"\x83dog"),
        ([b"cat", b"dog"], b"\xc8\x83cat\x83dog"),
        (b"", b"\x80"),
        ([], b"\xc0"),
        (0, b"\x80"),
        (15, b"\x0f"),
        (1024, b"\x82\x04\x00"),
        ([[], [[]], [[], [[]]]], bytes.fromhex("c7c0c1c0c3c0c1c0")),
        (LOREM, b"\xb8\x38" + LOREM),
    ],
)
def test_vectors_of_the_rlp_specification(item, expected):
    assert encode(item) == expected


def test_signing_data_of_the_eip_155_example():
    to = bytes.fromhex("35" * 20)
    data = encode([9, 20 * 10**9, 21000, to, 10**18, b"", 1, 0, 0])
    assert data.hex() == (
        "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080"
    )
    assert keccak256(data).hex() == (
        "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53"
    )


@given(ITEMS)
def test_encoding_equals_the_reference(item):
    assert encode(item) == reference.encode(item)


@given(st.integers(0, 2**300))
def test_integers_equal_the_reference(number):
    assert encode(number) == reference.encode(number)


def test_negative_integers_are_refused():
    with pytest.raises(RangeExceeded):
        encode([-1])

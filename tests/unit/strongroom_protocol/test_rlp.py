from typing import Any

import pytest
import rlp as reference
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.errors import RangeExceeded
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.rlp import encode

ITEMS = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=8))
LOREM = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit"


ROW = [b"asdf", b"qwer", b"zxcv"]
ROW_BYTES = "cf84617364668471776572847a786376"
LONG = LOREM[:55].rjust(1024, b"x")
# ethereum/tests, RLPTests/rlptest.json, by its names; its longest text is LONG here, and
# listofbinaries is left out.
VECTORS: dict[str, tuple[Any, str]] = {
    "emptystring": (b"", "80"),
    "bytestring00": (b"\0", "00"),
    "bytestring01": (b"\1", "01"),
    "bytestring7F": (b"\x7f", "7f"),
    "shortstring": (b"dog", "83646f67"),
    "shortstring2": (LOREM[:-1], "b7" + LOREM[:-1].hex()),
    "longstring": (LOREM, "b838" + LOREM.hex()),
    "longstring2": (LONG, "b90400" + LONG.hex()),
    "zero": (0, "80"),
    "smallint": (1, "01"),
    "smallint2": (16, "10"),
    "smallint3": (79, "4f"),
    "smallint4": (127, "7f"),
    "mediumint1": (128, "8180"),
    "mediumint2": (1000, "8203e8"),
    "mediumint3": (100_000, "830186a0"),
    "mediumint4": (83729609699884896815286331701780722, "8f102030405060708090a0b0c0d0e0f2"),
    "mediumint5": (
        105315505618206987246253880190783558935785933862974822347068935681,
        "9c0100020003000400050006000700080009000a000b000c000d000e01",
    ),
    "emptylist": ([], "c0"),
    "stringlist": ([b"dog", b"god", b"cat"], "cc83646f6783676f6483636174"),
    "multilist": ([b"zw", [4], 1], "c6827a77c10401"),
    "shortListMax1": ([*ROW * 3, *ROW[:2]], "f7" + ROW_BYTES[2:] * 3 + ROW_BYTES[2:22]),
    "longList1": ([ROW] * 4, "f840" + ROW_BYTES * 4),
    "longList2": ([ROW] * 32, "f90200" + ROW_BYTES * 32),
    "listsoflists": ([[[], []], []], "c4c2c0c0c0"),
    "listsoflists2": ([[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"),
    "dictTest1": (
        [[b"key%d" % number, b"val%d" % number] for number in (1, 2, 3, 4)],
        "ec" + "".join(f"ca846b6579{digit}8476616c{digit}" for digit in (31, 32, 33, 34)),
    ),
    "bigint": (2**256, "a101" + "00" * 32),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_public_suite_of_rlp(name):
    item, expected = VECTORS[name]
    assert encode(item).hex() == expected


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

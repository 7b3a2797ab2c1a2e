"""Multicall3's calls and answers, beside an encoder that knows nothing of ours."""

import pytest
from eth_abi.abi import decode, encode

from strongroom.chain import multicall
from strongroom.chain.errors import NodeLied
from strongroom_protocol.hashing import keccak256

CONTRACT, TOKEN, OTHER = b"\xca" * 20, b"\x70" * 20, b"\x71" * 20
ONE, TWO = b"\x01" * 20, b"\x02" * 20


def results(*items: tuple[bool, bytes]) -> bytes:
    return encode(["(bool,bytes)[]"], [items])


def test_the_call_is_what_the_abi_says():
    data = multicall.asking(CONTRACT, [(ONE, None), (TWO, TOKEN), (ONE, OTHER)])
    assert data[:4] == keccak256(b"aggregate3((address,bool,bytes)[])")[:4]
    (calls,) = decode(["(address,bool,bytes)[]"], data[4:])
    balance_of, coin = (
        keccak256(name)[:4] for name in (b"balanceOf(address)", b"getEthBalance(address)")
    )
    assert calls == (
        ("0x" + CONTRACT.hex(), True, coin + ONE.rjust(32, b"\0")),
        ("0x" + TOKEN.hex(), True, balance_of + TWO.rjust(32, b"\0")),
        ("0x" + OTHER.hex(), True, balance_of + ONE.rjust(32, b"\0")),
    )
    assert data[4:] == encode(["(address,bool,bytes)[]"], [calls])


def test_answers_are_read_whatever_their_length():
    data = results(
        (True, (5).to_bytes(32, "big")),
        (False, b"an error"),
        (True, b""),
        (True, (7).to_bytes(32, "big") + b"more"),
    )
    assert multicall.answered(data, 4) == [5, None, 0, 7]


@pytest.mark.parametrize("cut", [1, 32, 64, 96, 128])
def test_an_answer_that_is_cut_off_is_no_balance(cut: int):
    whole = results((True, (5).to_bytes(32, "big")), (True, (6).to_bytes(32, "big")))
    with pytest.raises(NodeLied):
        multicall.answered(whole[:-cut], 2)


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_results_is_no_answer(count: int):
    with pytest.raises(NodeLied):
        multicall.answered(results((True, b""), (True, b"")), count)


def test_an_offset_into_nowhere_is_no_balance():
    data = bytearray(results((True, (5).to_bytes(32, "big"))))
    data[64:96] = b"\xff" * 32
    with pytest.raises(NodeLied):
        multicall.answered(bytes(data), 1)

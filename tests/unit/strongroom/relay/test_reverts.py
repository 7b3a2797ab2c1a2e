"""A client reads why a transaction reverted: in the contract's words, with what they mean."""

import pytest

from strongroom.relay.reverts import SAFE_CODES, explain, explain_trace
from strongroom_protocol.abi import address, call, selector, uint
from strongroom_protocol.addresses import Address, checksum

TOKEN = Address(b"\x70" * 20)


def error(text: str) -> bytes:
    raw = text.encode()
    padded = raw + bytes(-len(raw) % 32)
    return selector("Error(string)") + uint(32) + uint(len(raw)) + padded


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no reason was given"),
        (error("transfer paused"), '"transfer paused"'),
        (error("GS026"), "GS026: a signature is no owner's, not in order, or over another"),
        (call("Panic(uint256)", uint(0x11)), "panic 0x11: a number was too large or below zero"),
        (call("Panic(uint256)", uint(0x99)), "panic 0x99: unknown"),
        (call("PermitGuard_LimitExceeded(address,uint256,uint256,uint256)", address(TOKEN),
              uint(5), uint(3), uint(4)), "PermitGuard_LimitExceeded("),
        (call("PermitGuard_PermitExpired(uint64,uint256)", uint(7), uint(8)),
         "PermitGuard_PermitExpired("),
        (call("SweepBatcher_CallerIsNotRelay(address)", address(TOKEN)), checksum(TOKEN)),
        (selector("PermitGuard_NotCanonical()") + b"\x01", "unknown data 0x"),
        (b"\xde\xad\xbe\xef", "unknown data 0xdeadbeef"),
        (selector("Error(string)"), '""'),
        (selector("Error(string)") + uint(32) + uint(2**255) + b"x", '"x"'),
        (error("\x1b[31mred\x00"), '"[31mred"'),
    ],
)  # fmt: skip
def test_a_reverts_data_become_words(data: bytes, words: str):
    assert words in explain(data)


def test_every_code_of_safe_1_5_that_can_meet_us_has_words():
    assert {"GS010", "GS013", "GS020", "GS026", "GS104", "GS300"} <= set(SAFE_CODES)


def test_a_trace_tells_the_outermost_reason_and_the_one_it_came_from():
    inner = {"error": "execution reverted", "output": "0x" + error("paused").hex()}
    fine = {"output": "0x"}
    safe = {"error": "execution reverted", "output": "0x" + error("GS013").hex(),
            "calls": [fine, inner]}  # fmt: skip
    found = explain_trace(safe)
    assert found == 'GS013: the call that the Safe makes failed; because of "paused"'
    assert explain_trace({"error": "out of gas"}) == "out of gas"
    assert explain_trace(inner) == '"paused"'

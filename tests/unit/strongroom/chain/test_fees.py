"""A quote that survives six full blocks (EIP-1559)."""

from strongroom.chain.answers import FeeHistoryAnswer
from strongroom.chain.fees import quote


def test_twice_the_next_base_fee_and_the_median_tip():
    history = FeeHistoryAnswer(["0x5", "0x64"], [["0x3"], ["0x1"], ["0x9"]])
    found = quote(history)
    assert (found.base_fee_wei, found.priority_fee_wei, found.max_fee_wei) == (100, 3, 203)


def test_an_empty_chain_still_gives_a_tip():
    assert quote(FeeHistoryAnswer(["0x64"], [["0x0"]])).priority_fee_wei == 1
    assert quote(FeeHistoryAnswer(["0x64"])).max_fee_wei == 201

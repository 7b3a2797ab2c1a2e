"""A quote that survives six full blocks (EIP-1559)."""

from strongroom.chain.answers import FeeHistoryAnswer
from strongroom.chain.fees import quote


def test_twice_the_next_base_fee_and_the_median_tip():
    rewards = [["0x1", "0x3", "0x20"], ["0x0", "0x1", "0x30"], ["0x2", "0x9", "0x10"]]
    found = quote(FeeHistoryAnswer(["0x5", "0x64"], rewards))
    assert (found.base_fee_wei, found.priority_fee_wei, found.max_fee_wei) == (100, 3, 203)


def test_slow_normal_and_fast_are_percentiles_of_what_was_paid():
    rewards = [["0x1", "0x3", "0x20"], ["0x0", "0x1", "0x30"], ["0x2", "0x9", "0x10"]]
    found = quote(FeeHistoryAnswer(["0x64"], rewards))
    assert [found.tip_wei(level) for level in ("slow", "normal", "fast")] == [2, 3, 32]


def test_a_faster_level_never_offers_less():
    found = quote(FeeHistoryAnswer(["0x64"], [["0x9", "0x3", "0x1"]]))
    assert [found.tip_wei(level) for level in ("slow", "normal", "fast")] == [9, 9, 9]


def test_an_empty_chain_still_gives_a_tip():
    assert quote(FeeHistoryAnswer(["0x64"], [["0x0", "0x0", "0x0"]])).priority_fee_wei == 1
    assert quote(FeeHistoryAnswer(["0x64"])).max_fee_wei == 201

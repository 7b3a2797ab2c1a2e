"""EIP-4895: what the beacon chain brought is believed under the header's withdrawalsRoot only."""

from collections.abc import Sequence
from typing import Any

import pytest

from strongroom.chain.answers import HeaderAnswer, WithdrawalAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.headers import EMPTY_TRIE_ROOT
from strongroom.chain.withdrawals import Withdrawal, read_withdrawals

# Block 18,677,381 of Ethereum: sixteen withdrawals in a row of one operator's validators.
ROOT = "0xd67d00f01ac780dd7292e464f0873611c0b9cfaf7d630400ed04abf312cb53f4"
TO = "0xf20b338752976878754518183873602902360704"
AMOUNTS = (
    *("0x1053ffc", "0x103ec51", "0x1052bbc", "0x1041aee", "0x104e073", "0x10480de", "0x104ab57"),
    *("0x383fece", "0x1057082", "0x1048c65", "0x10405de", "0x105e565", "0x1041e0e", "0x1048d6e"),
    *("0x104db30", "0x10421f6"),
)
Item = tuple[str, str, str, str]
ITEMS: tuple[Item, ...] = tuple(
    (hex(0x190FB46 + place), hex(0xF3AB6 + place), TO, amount)
    for place, amount in enumerate(AMOUNTS)
)
EMPTY = "0x" + EMPTY_TRIE_ROOT.hex()


def answer(root: str | None, items: Sequence[Item] = ()) -> HeaderAnswer:
    fields: dict[str, Any] = dict.fromkeys(HeaderAnswer.__struct_fields__, "0x0")
    fields["withdrawals_root"] = root
    fields["withdrawals"] = [WithdrawalAnswer(*item) for item in items]
    return HeaderAnswer(**fields)


def test_the_root_of_a_public_block_is_found():
    found = read_withdrawals(answer(ROOT, ITEMS))
    assert found[0] == Withdrawal(0, bytes.fromhex(TO[2:]), 0x1053FFC * 10**9)
    assert [item.units for item in found] == [int(amount, 16) * 10**9 for amount in AMOUNTS]
    assert [item.place for item in found] == list(range(16))


@pytest.mark.parametrize(
    "items",
    [
        (),
        ITEMS[:15],
        (*ITEMS[:15], (*ITEMS[15][:3], "0x10421f7")),
        (ITEMS[1], ITEMS[0], *ITEMS[2:]),
    ],
    ids=["none", "one is missing", "another amount", "another order"],
)
def test_what_does_not_give_the_root_is_thrown_away(items: tuple[Item, ...]):
    with pytest.raises(NodeLied, match="withdrawals"):
        read_withdrawals(answer(ROOT, items))


def test_withdrawals_that_no_root_covers_are_none():
    item = ("0x0", "0x0", TO, "0x1")
    assert read_withdrawals(answer(None, [item])) == ()
    assert read_withdrawals(answer(EMPTY)) == ()
    with pytest.raises(NodeLied):
        read_withdrawals(answer(EMPTY, [item]))

"""EIP-4895: what the beacon chain brought is believed under the header's withdrawalsRoot only."""

from typing import Any

import msgspec
import pytest

from strongroom.chain.answers import HeaderAnswer, WithdrawalAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.headers import EMPTY_TRIE_ROOT
from strongroom.chain.withdrawals import Withdrawal, read_withdrawals

# A block of a public chain.
TWO = "0x576ea3c5cc0bf9d73f64e9786e7b44595a62a76a54989acc8ae84b2015fde929"
TWICE = "0xe276bc378a527a8792b353cdca5b5e53263dfb9e"


def answer(root: str | None, *items: tuple[str, str, str, str]) -> HeaderAnswer:
    fields: dict[str, Any] = dict.fromkeys(HeaderAnswer.__struct_fields__, "0x0")
    fields |= {
        "withdrawals_root": root,
        "withdrawals": [WithdrawalAnswer(*item) for item in items],
    }
    return msgspec.structs.replace(HeaderAnswer(**fields))


def test_the_root_of_published_withdrawals_is_found():
    two = (("0x2457a70", "0x3df", TWICE, "0x24e0"), ("0x2457a71", "0x3e1", TWICE, "0x24e0"))
    found = read_withdrawals(answer(TWO, *two))
    to = bytes.fromhex(TWICE[2:])
    assert found == (Withdrawal(0, to, 9_440 * 10**9), Withdrawal(1, to, 9_440 * 10**9))


@pytest.mark.parametrize(
    "items",
    [
        (),
        (("0x2457a70", "0x3df", TWICE, "0x24e0"),),
        (("0x2457a70", "0x3df", TWICE, "0x24e1"), ("0x2457a71", "0x3e1", TWICE, "0x24e0")),
        (("0x2457a71", "0x3e1", TWICE, "0x24e0"), ("0x2457a70", "0x3df", TWICE, "0x24e0")),
    ],
    ids=["none", "one of two", "another amount", "another order"],
)
def test_what_does_not_give_the_root_is_thrown_away(items: tuple[tuple[str, str, str, str], ...]):
    with pytest.raises(NodeLied, match="withdrawals"):
        read_withdrawals(answer(TWO, *items))


def test_withdrawals_that_no_root_covers_are_none():
    item = ("0x0", "0x0", TWICE, "0x1")
    assert read_withdrawals(answer(None, item)) == ()
    assert read_withdrawals(answer("0x" + EMPTY_TRIE_ROOT.hex())) == ()
    with pytest.raises(NodeLied):
        read_withdrawals(answer("0x" + EMPTY_TRIE_ROOT.hex(), item))

"""A block's trie is the one that everybody else computes."""

import random

import pytest
from trie.hexary import HexaryTrie

from strongroom.chain.tries import BlockTrie
from strongroom_protocol.rlp import encode
from strongroom_verify.patricia import value_at


@pytest.mark.parametrize("longest", [3, 40, 700])
@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 60, 128, 129, 257])
def test_root_and_proofs_are_those_of_any_other_trie(count: int, longest: int):
    chance = random.Random(count * 1_000 + longest)
    items = [chance.randbytes(chance.randrange(1, longest)) for _ in range(count)]
    other = HexaryTrie(db={})
    for index, item in enumerate(items):
        other[encode(index)] = item
    found = BlockTrie(items)
    assert found.root == other.root_hash
    for index, item in enumerate(items):
        assert value_at(found.root, encode(index), found.proof(index)) == item

"""Where books and chain came apart is found by halving, and never said narrower than is known."""

import pytest

from strongroom.chain.errors import BlockUnknown
from strongroom.indexer.bisection import bisect


@pytest.mark.parametrize("began", [1, 2, 500, 999, 1_000])
def test_the_one_block_is_named(began: int):
    asked: list[int] = []

    def differ(height: int) -> bool:
        asked.append(height)
        return height >= began

    found = bisect(differ, 0, 1_000)
    assert (found.equal_height, found.differs_height) == (began - 1, began)
    assert found.told == f"It began in block {began}."
    assert len(asked) <= 12


def test_a_difference_older_than_what_is_followed_is_said_to_be_so():
    found = bisect(lambda _: True, 40, 1_000)
    assert (found.equal_height, found.differs_height) == (None, 40)
    assert "already at block 40" in found.told


def test_a_node_without_old_states_leaves_the_range_as_wide_as_it_is_known():
    def differ(height: int) -> bool:
        if height < 900:
            raise BlockUnknown("missing trie node")
        return True

    found = bisect(differ, 100, 1_000, known=True)
    assert (found.equal_height, found.differs_height) == (100, 1_000)
    assert "blocks 101 to 1000" in found.told
    assert "missing trie node" in found.told


def test_without_any_old_state_no_beginning_is_invented():
    def differ(_: int) -> bool:
        raise BlockUnknown("missing trie node")

    found = bisect(differ, 100, 1_000)
    assert (found.equal_height, found.differs_height) == (None, 1_000)
    assert "not known" in found.told


def test_a_difference_of_the_first_block_itself_is_no_range():
    found = bisect(lambda _: True, 7, 7)
    assert (found.equal_height, found.differs_height) == (None, 7)

"""What was loaded is left alone by the collector, and not for ever."""

import gc
from collections.abc import Iterator

import pytest

from strongroom.indexer import memory


class Node:
    """Two of them that name each other are garbage only a collector finds."""

    other: "Node"


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """The collector as it was."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_was_loaded_is_left_alone_until_the_next_time():
    one, two = Node(), Node()
    one.other, two.other = two, one
    memory.settle()
    assert gc.get_freeze_count() > 0
    assert not any(found is one for found in gc.get_objects())
    del one, two
    gc.collect()
    memory.settle()
    gc.unfreeze()
    assert not any(isinstance(found, Node) for found in gc.get_objects())

"""The set in memory is what the changes say, in their order, and no more."""

from strongroom.screening.repository import EntryChange
from strongroom.screening.watchlist import Listing, Watchlist

A, B = b"a" * 20, b"b" * 20


def test_addresses_come_and_go_with_their_lists() -> None:
    found = Watchlist()
    found.apply([EntryChange(1, "x", A, True, "one"), EntryChange(1, "x", B, True, "")], 1)
    found.apply([EntryChange(2, "y", A, True, "two")], 2)
    assert set(found.find(A)) == {Listing("x", "one"), Listing("y", "two")}
    found.apply([EntryChange(3, "x", A, False, "one"), EntryChange(3, "x", B, False, "")], 3)
    assert found.find(A) == (Listing("y", "two"),)
    assert found.find(B) == ()
    assert (found.version, len(found)) == (3, 1)


def test_a_changed_label_replaces_the_old_one() -> None:
    found = Watchlist()
    found.apply([EntryChange(1, "x", A, True, "one"), EntryChange(2, "x", A, True, "two")], 2)
    assert found.find(A) == (Listing("x", "two"),)

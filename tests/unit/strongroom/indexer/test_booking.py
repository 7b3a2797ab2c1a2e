"""Many blocks are told to each sink at once, and booked block after block all the same."""

from datetime import UTC, datetime
from uuid import UUID

from strongroom.chain.ports import BlockView
from strongroom.indexer.booking import _bookings
from strongroom.ledger.types import Posting


def block(height: int) -> BlockView:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    return BlockView(1, height, bytes([height]) * 32, b"\0" * 32, moment, (), ())


def posting(key: str) -> Posting:
    return Posting(UUID(int=1), key, "test", ())


def test_what_one_block_brought_a_later_one_may_spend_whichever_sink_says_so():
    spends = [[posting("gas of 1")], [posting("gas of 2")]]
    brings = [[posting("in by 1"), posting("more by 1")], []]
    booked = _bookings("confirmed", [block(1), block(2)], [spends, brings])
    assert [booking.block.height for booking in booked] == [1, 2]
    assert [one.key for booking in booked for one in booking.postings] == [
        "gas of 1",
        "in by 1",
        "more by 1",
        "gas of 2",
    ]

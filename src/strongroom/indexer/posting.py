"""What the sinks return becomes postings by one call of the ledger, and one record an organisation.

The ledger's refusals concern one account: they are booked aside, and the block stands.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from strongroom.auditlog import service as auditlog
from strongroom.chain.ports import BlockView
from strongroom.db.database import UnitOfWork
from strongroom.indexer.aside import book_aside
from strongroom.kit.ids import HOUSE
from strongroom.kit.metrics import counter
from strongroom.ledger import service as ledger
from strongroom.ledger.types import Posting


@dataclass(frozen=True, slots=True)
class Booking:
    """What one event of one block brought: an action for the log, and the postings."""

    action: str
    block: BlockView
    postings: tuple[Posting, ...]


def book(uow: UnitOfWork, bookings: Sequence[Booking]) -> None:
    """Post everything by one call, as the unit's last writes; what is refused, aside.

    A posting that was booked before is replayed: it changes nothing and gets no second record.
    """
    postings = [posting for booking in bookings for posting in booking.postings]
    results = iter(ledger.post(uow, postings))
    for booking in bookings:
        posted: defaultdict[UUID, list[Posting]] = defaultdict(list)
        for posting in booking.postings:
            result = next(results)
            if result.outcome == "refused":
                instead = book_aside(uow, posting, result.code)
                if instead is not None:
                    posted[posting.organisation_id].append(instead)
            if result.outcome == "posted":
                posted[posting.organisation_id].append(posting)
        _record(uow, booking, posted)


def _record(uow: UnitOfWork, booking: Booking, posted: dict[UUID, list[Posting]]) -> None:
    block = booking.block
    body = {
        "chain_id": block.chain_id,
        "height": block.height,
        "block_hash": "0x" + block.hash.hex(),
        "sighting": block.sighting,
        "transfers": len(block.transfers),
        "transactions": len(block.transactions),
    }
    for organisation_id in sorted(posted) or [HOUSE]:
        own = posted.get(organisation_id, [])
        auditlog.append(
            uow,
            booking.action,
            f"block:{block.tag}",
            body,
            rows=ledger.rows(own) or None,
            organisation_id=organisation_id,
        )
        counter("strongroom_indexer_postings_total", "Postings booked from blocks.").inc(len(own))

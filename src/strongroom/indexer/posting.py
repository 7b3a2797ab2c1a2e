"""What the sinks return becomes postings by one call of the ledger, and one record an organisation.

The ledger's refusals concern one account: they are booked aside, and the block stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from strongroom.auditlog import service as auditlog
from strongroom.chain.ports import BlockView
from strongroom.db.database import UnitOfWork
from strongroom.indexer.aside import book_aside
from strongroom.kit.ids import HOUSE
from strongroom.kit.metrics import counter
from strongroom.ledger import service as ledger
from strongroom.ledger.types import Posting, PostingResult


@dataclass(frozen=True, slots=True)
class Booking:
    """What one event of one block brought: the postings of every sink."""

    event: Literal["confirmed", "finalized", "orphaned"]
    block: BlockView
    postings: tuple[Posting, ...]


def book(uow: UnitOfWork, bookings: Sequence[Booking]) -> None:
    """Post everything by one call, as the unit's last writes; what is refused, aside.

    A posting that was booked before is replayed: it changes nothing and is in no second record.
    Each organisation gets one record of the unit: its blocks, and the root of its postings. What
    brought nothing to anybody is the house's.
    """
    postings = [posting for booking in bookings for posting in booking.postings]
    results = iter(_posted(uow, postings))
    blocks: dict[UUID, list[dict[str, object]]] = {}
    rows: dict[UUID, list[Posting]] = {}
    for booking in bookings:
        owners = set()
        for posting in booking.postings:
            found = _as_booked(uow, posting, next(results))
            if found is not None:
                owners.add(found.organisation_id)
                rows.setdefault(found.organisation_id, []).append(found)
        for owner in owners or {HOUSE}:
            blocks.setdefault(owner, []).append(_told(booking))
    for owner in sorted(blocks):
        _record(uow, bookings[0].block.chain_id, owner, blocks[owner], rows.get(owner, []))


def _posted(uow: UnitOfWork, postings: Sequence[Posting]) -> list[PostingResult]:
    """By one call, or by a few where blocks bring more than one call takes."""
    starts = range(0, len(postings), ledger.BATCH_MAX)
    parts = (postings[start : start + ledger.BATCH_MAX] for start in starts)
    return [result for part in parts for result in ledger.post(uow, part)]


def _as_booked(uow: UnitOfWork, posting: Posting, result: PostingResult) -> Posting | None:
    if result.outcome == "refused":
        return book_aside(uow, posting, result.code)
    return posting if result.outcome == "posted" else None


def _told(booking: Booking) -> dict[str, object]:
    block = booking.block
    return {
        "event": booking.event,
        "height": block.height,
        "block_hash": "0x" + block.hash.hex(),
        "sighting": block.sighting,
        "transfers": len(block.transfers),
        "transactions": len(block.transactions),
    }


def _record(
    uow: UnitOfWork,
    chain_id: int,
    organisation_id: UUID,
    blocks: Sequence[dict[str, object]],
    postings: Sequence[Posting],
) -> None:
    auditlog.append(
        uow,
        "indexer.blocks_booked",
        f"chain:{chain_id}",
        {"chain_id": chain_id, "blocks": blocks},
        rows=ledger.rows(postings) or None,
        organisation_id=organisation_id,
    )
    booked = counter("strongroom_indexer_postings_total", "Postings booked from blocks.")
    booked.inc(len(postings))

"""The screener's signed word on a destination, as the signer wants to see it; and on whoever else
would be paid, without which the signer is not asked.
"""

from typing import Any

from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.screening import service as screening
from strongroom.withdrawals import lifecycle, recipients
from strongroom.withdrawals.models import Withdrawal
from strongroom_protocol.encoding import to_hex


def clearance(uow: UnitOfWork, row: Withdrawal) -> dict[str, Any] | None:
    """The signed CLEAR, if it counts now. Changes nothing."""
    view = None if row.screening_id is None else screening.clearance(uow, row.screening_id)
    if view is None or view.state != "CLEAR" or view.document is None or view.signature is None:
        return None
    return {"document": dict(view.document), "signature": to_hex(view.signature)}


def clearance_or_end(uow: UnitOfWork, row: Withdrawal) -> dict[str, Any] | None:
    """The signed CLEAR, if nobody else whom it would pay holds it; on a hit of its destination the
    withdrawal is handed to whoever may end it.
    """
    found = clearance(uow, row)
    if found is not None and recipients.held_by(uow, row) is not None:
        return None
    if found is not None or row.screening_id is None:
        return found
    view = screening.clearance(uow, row.screening_id)
    if view.state == "HIT" and row.state == "approved":
        outbox.enqueue(
            uow,
            lifecycle.TOPIC,
            f"{row.id}:hit",
            lifecycle.payload_of(row),
            organisation_id=row.organisation_id,
        )
    elif view.state == "HIT" and row.state == "binding":
        lifecycle.begin_voiding(uow, row, "blocked", f"Screening stopped it: {view.reason}")
        lifecycle.record(uow, row)
    return None


def waits_for(uow: UnitOfWork, row: Withdrawal) -> str:
    """Why there is no clearance now, in words."""
    again = "It waits until screening clears the destination again."
    return recipients.held_by(uow, row) or again

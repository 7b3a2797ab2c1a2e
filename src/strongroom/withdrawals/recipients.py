"""Whom a payment would pay beside those whom people approved, by a node's word (P7).

Each is screened, and the payment is neither approved nor signed until all of them are CLEAR. What
was foretold once stays: a node can hold a payment, and clears none.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy.dialects.postgresql import insert

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.screening import service as screening
from strongroom.screening.service import Question
from strongroom.withdrawals import lifecycle, repository
from strongroom.withdrawals.models import Withdrawal, WithdrawalRecipient
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.decoded import Caution

RECIPIENTS_MAX: Final = 50
"""Screened for one payment. Whoever is paid beyond them holds it for good: people order anew."""


def ask(uow: UnitOfWork, row: Withdrawal, foretold: Iterable[bytes]) -> None:
    """Have these screened, once each. A burn pays nobody, and its address is not asked about."""
    known = repository.recipients(uow, row)
    there = {one.address for one in known}
    new = sorted(set(foretold) - there - {bytes(ZERO), row.wallet, row.destination})
    left = RECIPIENTS_MAX - len(known)
    if not new or left < 0:
        return
    asked, beyond = new[:left], new[left : left + 1]
    ids = screening.requests(uow, [_question(row, one) for one in asked])
    kept = [*zip(asked, ids, strict=True), *((one, None) for one in beyond)]
    uow.session.execute(
        insert(WithdrawalRecipient).on_conflict_do_nothing(),
        [
            {
                "organisation_id": row.organisation_id,
                "withdrawal_id": row.id,
                "address": address,
                "screening_id": screening_id,
                "foretold_at": uow.now,
            }
            for address, screening_id in kept
        ],
    )
    body = {"recipients": [checksum(Address(one)) for one, _ in kept]}
    auditlog.append(
        uow, "withdrawal.others_foretold", str(row.id), body, organisation_id=row.organisation_id
    )


def held_by(uow: UnitOfWork, row: Withdrawal) -> str | None:
    """Why it may be neither approved nor signed now, in words; None: nobody else holds it."""
    found = cautions(uow, row)
    return next((one.text for one in found if one.code == "recipient_held"), None)


def cautions(uow: UnitOfWork, row: Withdrawal) -> tuple[Caution, ...]:
    """What people are told of each: by the order of the addresses."""
    return tuple(_caution(uow, one) for one in repository.recipients(uow, row))


def _caution(uow: UnitOfWork, found: WithdrawalRecipient) -> Caution:
    who = f"By a node's word it would also pay {checksum(Address(found.address))}"
    if found.screening_id is None:
        text = f"{who}, and more than {RECIPIENTS_MAX} others: they are too many to be screened."
        return Caution("recipient_held", f"{text} Reject it, or take it back.")
    view = screening.clearance(uow, found.screening_id)
    if view.state == "CLEAR":
        return Caution("recipient_foretold", f"{who}; screening is clear.")
    return Caution("recipient_held", f"{who}. Held by screening: {view.reason}")


def _question(row: Withdrawal, address: bytes) -> Question:
    return Question(
        organisation_id=row.organisation_id,
        direction="out",
        subject=address,
        reference=f"withdrawal:{row.id}:{address.hex()}",
        topic=lifecycle.TOPIC,
        payload=lifecycle.payload_of(row),
        intent=row.intent,
    )

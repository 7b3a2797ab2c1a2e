"""Reminders: whoever's turn it is and has not signed is told so, by a job of the outbox.

A reminder is a row that pages and the API show, and a record of the audit log; it decides nothing.
"""

from datetime import timedelta
from typing import Final

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.policy import service as policy
from strongroom.withdrawals import counting, repository, rules, wallet
from strongroom.withdrawals.models import Withdrawal, WithdrawalReminder

TOPIC: Final = "withdrawals.remind"
FIRST: Final = timedelta(hours=4)
AGAIN: Final = timedelta(hours=24)
LAST_CALL: Final = timedelta(hours=1)
"""Before its time is over, once more."""
REMINDERS_MAX: Final = 40
"""More than thirty days, the longest that an order is valid, ever ask for."""


def begin(uow: UnitOfWork, row: Withdrawal) -> None:
    """People are asked from now on; the first reminder is put in line."""
    _put_in_line(uow, row, 0)


def remind(uow: UnitOfWork, row: Withdrawal, number: int) -> None:
    """Write down who is still waited for, and put the next one in line. Once a number; nothing
    where nobody is waited for any more. Takes the row locked.
    """
    kind = wallet.kind_to_sign(row)
    there = {one.number for one in repository.reminders(uow, row)}
    if kind is None or row.state not in rules.UNBOUND or number in there:
        return
    bundle = policy.active(uow, row.organisation_id).bundle
    people = counting.may_sign_now(uow, row, bundle, kind)
    if people:
        sentence = (
            f"{row.reference} waits for {', '.join(people)} until "
            f"{row.valid_until:%d %b %Y %H:%M} UTC."
        )
        uow.session.add(
            WithdrawalReminder(
                organisation_id=row.organisation_id,
                withdrawal_id=row.id,
                number=number,
                people=list(people),
                sentence=sentence,
                at=uow.now,
            )
        )
        uow.session.flush()
        body = {"people": list(people), "number": number, "reference": row.reference}
        auditlog.append(
            uow, "withdrawal.reminded", str(row.id), body, organisation_id=row.organisation_id
        )
    _put_in_line(uow, row, number + 1)


def _put_in_line(uow: UnitOfWork, row: Withdrawal, number: int) -> None:
    due = uow.now + (FIRST if number == 0 else AGAIN)
    last = row.valid_until - LAST_CALL
    if number >= REMINDERS_MAX or uow.now >= last:
        return
    outbox.enqueue(
        uow,
        TOPIC,
        f"{row.id}:{number}",
        {"withdrawal_id": str(row.id), "number": number},
        due_at=min(due, last),
        organisation_id=row.organisation_id,
    )

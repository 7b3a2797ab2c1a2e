"""A vault's queue as the rows tell it: payments, rejections and changes, each with its signatures.

The number that the chain executes next comes from the newest look at the vault (`vaults`), or from
our own mined executions where those are newer.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import cast
from uuid import UUID

from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.policy import service as policy
from strongroom.vaults import room, steps
from strongroom.vaults.errors import NotExamined
from strongroom.vaults.steps import StepView
from strongroom.withdrawals import counting, repository, sequence, slots, wallet
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.queue_doctor import Diagnosis, Entry, Kind, diagnose
from strongroom.withdrawals.sequence import Round
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.consent import Demand, standing


def doctor(uow: UnitOfWork) -> Diagnosis:
    """What is wrong with the queue of the organisation's vault. Raises VaultUnknown, NoneActive."""
    organisation_id = _own(uow)
    bundle = policy.active(uow, organisation_id).bundle
    next_nonce, known_from = _next_nonce(uow, organisation_id)
    return diagnose(next_nonce, known_from, [*_payments(uow, bundle), *_changes(uow, bundle)])


def _next_nonce(uow: UnitOfWork, organisation_id: UUID) -> tuple[int, str]:
    own = slots.consumed_nonce(uow, organisation_id) + 1
    try:
        found = room.standing(uow)
    except NotExamined:
        return own, "our own mined executions; the vault was not looked at on chain yet"
    if own > found.found.nonce:
        return own, "our own mined executions"
    return found.found.nonce, f"the chain, at block {found.snapshot.seen_height}"


def _payments(uow: UnitOfWork, bundle: Bundle) -> Iterator[Entry]:
    for row in slots.numbered(uow, _own(uow)):
        yield _entry(uow, row, bundle, "payment")
        if row.state == "voiding":
            yield _entry(uow, row, bundle, "rejection")


def _entry(uow: UnitOfWork, row: Withdrawal, bundle: Bundle, kind: Kind) -> Entry:
    shown = "payment" if kind == "payment" else "rejection"
    demands = counting.demands(uow, row, bundle)
    found = counting.round_of(uow, row, bundle, shown)
    there = [one.person for one in repository.approvals(uow, row, shown)]
    signing = wallet.kind_to_sign(row) == shown
    return Entry(
        name=row.reference,
        kind=kind,
        nonce=row.safe_nonce or 0,
        state=row.state,
        signed=tuple(sorted(found.signed)),
        stale=tuple(sorted(set(there) - found.signed)) if signing else (),
        able={one.id: _kind_of(bundle, one, found.now) for one in found.open_to()},
        enough=_enough(demands, found) if signing else _always,
        batch=None if row.batch_id is None else str(row.batch_id),
    )


def _enough(demands: tuple[Demand, ...], found: Round) -> Callable[[frozenset[str]], bool]:
    def enough(people: frozenset[str]) -> bool:
        return all(one.is_met for one in sequence.needs(demands, found.with_more(people)))

    return enough


def _always(people: frozenset[str]) -> bool:
    """Nothing is signed for it now."""
    del people
    return True


def _kind_of(bundle: Bundle, person: Person, now: int) -> Hashable:
    """People who are alike in this stand for each other."""
    return tuple(sorted((one.roles, one.department or "") for one in standing(bundle, person, now)))


def _changes(uow: UnitOfWork, bundle: Bundle) -> Iterator[Entry]:
    people = {one.address: one.id for one in bundle.people if one.address is not None}
    for step in steps.steps(uow):
        if step.state in steps.OPEN:
            yield _change(step, bundle, people)


def _change(step: StepView, bundle: Bundle, people: dict[Address, str]) -> Entry:
    owners = {people.get(one, checksum(one)) for one in bundle.control.owners}
    signed = {people.get(one, checksum(one)) for one in step.signed_by}
    lacking = max(step.threshold - len(signed), 0) if step.typed is not None else 0
    return Entry(
        name=f"{step.change['kind']} ({step.phase})",
        kind="change",
        nonce=step.safe_nonce,
        state=step.state,
        signed=tuple(sorted(signed)),
        stale=(),
        able=dict.fromkeys(sorted(owners - signed), "owner"),
        enough=lambda more: len(more) >= lacking,
    )


def _own(uow: UnitOfWork) -> UUID:
    check(uow.organisation_id is not None, "a queue belongs to one organisation's vault")
    return cast(UUID, uow.organisation_id)

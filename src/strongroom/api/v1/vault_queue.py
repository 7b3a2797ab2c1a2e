"""The vault's queue: what waits for which number, what is wrong, and who signs to mend it."""

from fastapi import APIRouter

from strongroom.api.query import Reading
from strongroom.api.shapes import Shown
from strongroom.withdrawals import queue
from strongroom.withdrawals.queue_doctor import Diagnosis

router = APIRouter(prefix="/vault/queue", tags=["vault"])


class EntryOut(Shown):
    """Something for one number: a payment, the rejection that cancels it, or a change."""

    name: str
    kind: str
    nonce: int
    state: str
    signed: list[str]
    stale: list[str]


class ComplaintOut(Shown):
    """One thing that is wrong, and what to do."""

    finding: str
    nonce: int
    names: list[str]
    sentence: str


class ResignOut(Shown):
    """Who signs what."""

    name: str
    kind: str
    nonce: int
    people: list[str]


class QueueOut(Shown):
    """`people`: the smallest set who can give every signature that is missing."""

    next_nonce: int
    known_from: str
    entries: list[EntryOut]
    complaints: list[ComplaintOut]
    people: list[str]
    resign: list[ResignOut]

    @classmethod
    def of(cls, found: Diagnosis) -> "QueueOut":
        """Show a diagnosis."""
        return cls(
            next_nonce=found.next_nonce,
            known_from=found.known_from,
            entries=[
                EntryOut(
                    name=one.name,
                    kind=one.kind,
                    nonce=one.nonce,
                    state=one.state,
                    signed=list(one.signed),
                    stale=list(one.stale),
                )
                for one in found.entries
            ],
            complaints=[
                ComplaintOut(
                    finding=one.finding,
                    nonce=one.nonce,
                    names=list(one.names),
                    sentence=one.sentence,
                )
                for one in found.complaints
            ],
            people=list(found.people),
            resign=[
                ResignOut(name=one.name, kind=one.kind, nonce=one.nonce, people=list(one.people))
                for one in found.resign
            ],
        )


@router.get("")
def diagnose_queue(query: Reading) -> QueueOut:
    """Look for dead numbers, conflicts, gaps, stale signatures, and the least that mends them."""
    return query.run(lambda uow: QueueOut.of(queue.doctor(uow)))

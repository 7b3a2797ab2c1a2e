"""What the ledger refuses of a block is booked aside, so that one account stops nobody else.

What the chain shows has happened; a refusal says that the books had it otherwise. Custody follows
the chain against ASIDE as far as its floor allows. The account is frozen and people are told; the
reconciliation shows what is left between books and chain.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.kit.log import logger
from strongroom.kit.metrics import counter
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, Leg, Posting
from strongroom.wallets import service as wallets

ASIDE: Final = "house:unexplained"
"""What moved on chain and has no other place in the organisation's books yet."""
TOPIC: Final = "indexer.refused"


def book_aside(uow: UnitOfWork, posting: Posting, code: str | None) -> Posting | None:
    """Book instead of a refused posting what can be; gives it, or None when nothing could.

    Freezes the custody accounts named and has people told. Raises nothing of its own.
    """
    legs = _legs(uow, posting)
    refs = {
        AccountRef(posting.organisation_id, account, leg.asset)
        for leg in legs
        for account in (leg.debit, leg.credit, ASIDE)
    }
    ledger.open_accounts(uow, sorted(refs, key=lambda ref: (ref.code, ref.asset)))
    found = next((one for one in _instead(posting, legs) if _taken(uow, one)), None)
    _alarm(uow, posting, legs, code, found)
    return found


def _legs(uow: UnitOfWork, posting: Posting) -> tuple[Leg, ...]:
    """What it would have moved: its own legs, its hold's, or those to be taken back."""
    refers = posting.refers_to
    if posting.phase == "post" and refers is not None:
        return ledger.legs(uow, posting.organisation_id, refers)
    if posting.phase == "reversal" and refers is not None:
        aside = ledger.legs(uow, posting.organisation_id, _key(refers))
        return tuple(Leg(leg.credit, leg.debit, leg.asset, leg.units) for leg in aside)
    return posting.legs


def _instead(posting: Posting, legs: tuple[Leg, ...]) -> Iterator[Posting]:
    """The same by a key of its own, then only what came in, then only what went out."""
    if not legs:
        return
    key = _key(posting.key)
    if posting.phase == "reversal":
        yield replace(posting, key=key, legs=legs, refers_to=_key(posting.refers_to or ""))
        return
    base = replace(posting, key=key, legs=legs, phase="single", refers_to=None)
    yield base
    if all(leg.debit.startswith("custody:") for leg in legs):
        yield replace(base, legs=tuple(replace(leg, credit=ASIDE) for leg in legs))
    if all(leg.credit.startswith("custody:") for leg in legs):
        yield replace(base, legs=tuple(replace(leg, debit=ASIDE) for leg in legs))


def _key(key: str) -> str:
    return f"{key}:aside"


def _taken(uow: UnitOfWork, posting: Posting) -> bool:
    (result,) = ledger.post(uow, [posting])
    return result.outcome != "refused"


def _alarm(
    uow: UnitOfWork,
    posting: Posting,
    legs: tuple[Leg, ...],
    code: str | None,
    found: Posting | None,
) -> None:
    done = "nothing could be booked" if found is None else "it was booked aside"
    reason = f"The ledger refused {posting.key} ({code}), which the chain shows; {done}."
    accounts = {
        (account, leg.asset)
        for leg in legs or posting.legs
        for account in (leg.debit, leg.credit)
        if account.startswith("custody:")
    }
    for account, asset in sorted(accounts):
        wallets.freeze(
            uow,
            organisation_id=posting.organisation_id,
            custody_code=account,
            asset=asset,
            reason=reason,
        )
    payload = {"key": posting.key, "code": code or "", "reason": reason}
    outbox.enqueue(uow, TOPIC, posting.key, payload, organisation_id=posting.organisation_id)
    counter("strongroom_indexer_refused_total", "Postings of blocks that were refused.").inc()
    logger(__name__).error("indexer.booking_refused", key=posting.key, code=code, aside=done)

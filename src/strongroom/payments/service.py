"""Fiat credits by four eyes. Money that leaves by bank needs the signer and is not offered here."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, Leg, Posting
from strongroom.payments import errors
from strongroom.payments.models import FiatEntry
from strongroom.payments.types import FiatCredit, FiatEntryView
from strongroom.wallets import service as wallets


def propose(uow: UnitOfWork, credit: FiatCredit) -> FiatEntryView:
    """Write down a proposal; nothing is booked. Raises FiatReferenceTaken, FourEyes, NotFiat."""
    _check_fiat(uow, credit.amount.asset.code)
    row = FiatEntry(
        organisation_id=uow.organisation_id,
        id=uow.new_id(),
        reference=credit.reference,
        bank=credit.bank,
        account=credit.account,
        asset=credit.amount.asset.code,
        units=credit.amount.units,
        note=credit.note,
        proposed_by=_person(uow),
        proposed_at=uow.now,
        state="proposed",
        decided_by=None,
        decided_at=None,
        reason=None,
    )
    try:
        with uow.session.begin_nested():
            uow.session.add(row)
            uow.session.flush()
    except IntegrityError as error:
        message = f"The reference {credit.reference!r} belongs to another entry; use a new one."
        raise errors.FiatReferenceTaken(message) from error
    auditlog.append(uow, "fiat.proposed", str(row.id), record(row))
    return _view(row)


def approve(uow: UnitOfWork, entry_id: UUID) -> FiatEntryView:
    """Book a proposal of somebody else: debit our bank account, credit the client's.

    Raises FiatEntryUnknown, FiatAlreadyDecided, FourEyes, NotFiat, PostingRefused.
    """
    row = _decide(uow, entry_id, "booked", None)
    _check_fiat(uow, row.asset)
    posting = Posting(
        organisation_id=row.organisation_id,
        key=f"fiat:{row.id}",
        kind="fiat.credit",
        legs=(Leg(f"fiat:bank:{row.bank}", row.account, row.asset, row.units),),
        memo={"reference": row.reference},
    )
    accounts = [
        AccountRef(row.organisation_id, f"fiat:bank:{row.bank}", row.asset),
        AccountRef(row.organisation_id, row.account, row.asset),
    ]
    ledger.open_accounts(uow, accounts)
    uow.session.flush()
    ledger.post_or_raise(uow, posting)
    rows = ledger.rows([posting])
    auditlog.append(uow, "fiat.booked", str(row.id), record(row), rows=rows)
    return _view(row)


def reject(uow: UnitOfWork, entry_id: UUID, reason: str) -> FiatEntryView:
    """Refuse a proposal of somebody else, for good, with a reason.

    Raises FiatEntryUnknown, FiatAlreadyDecided, FourEyes.
    """
    row = _decide(uow, entry_id, "rejected", reason)
    auditlog.append(uow, "fiat.rejected", str(row.id), record(row))
    return _view(row)


def _check_fiat(uow: UnitOfWork, asset: str) -> None:
    """What lies on a chain is credited by blocks alone: by hand it would be money that is not
    there, and the vault would pay it out of other accounts' money.
    """
    chain_id = identity.organisation(uow).chain_id
    listed = {
        token.asset
        for token in wallets.tokens(uow, chain_id)
        if token.organisation_id == uow.organisation_id
    }
    if asset in listed | {wallets.native_asset(uow, chain_id)}:
        raise errors.NotFiat(
            f"{asset} lies on the chain, and is credited when it arrives there; a fiat entry names "
            "a currency that your bank holds."
        )


def entries(uow: UnitOfWork, after: UUID | None, limit: int) -> list[FiatEntryView]:
    """Return entries, newest first, below the cursor."""
    query = select(FiatEntry).where(FiatEntry.organisation_id == uow.organisation_id)
    if after is not None:
        query = query.where(FiatEntry.id < after)
    rows = uow.session.scalars(query.order_by(FiatEntry.id.desc()).limit(limit))
    return [_view(row) for row in rows]


def record(row: FiatEntry) -> dict[str, str | None]:
    """Return what the audit log keeps of an entry."""
    return {
        "reference": row.reference,
        "bank": row.bank,
        "account": row.account,
        "asset": row.asset,
        "units": str(row.units),
        "note": row.note,
        "state": row.state,
        "proposed_by": str(row.proposed_by),
        "decided_by": None if row.decided_by is None else str(row.decided_by),
        "reason": row.reason,
    }


def _view(row: FiatEntry) -> FiatEntryView:
    return FiatEntryView(
        id=row.id,
        reference=row.reference,
        bank=row.bank,
        account=row.account,
        asset=row.asset,
        units=row.units,
        note=row.note,
        state=row.state,
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
    )


def _decide(uow: UnitOfWork, entry_id: UUID, state: str, reason: str | None) -> FiatEntry:
    """Check: another person, not decided before. Effect: the decision."""
    row = uow.session.scalars(
        select(FiatEntry)
        .where(FiatEntry.organisation_id == uow.organisation_id, FiatEntry.id == entry_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise errors.FiatEntryUnknown("The organisation has no such fiat entry.")
    if row.state != "proposed":
        raise errors.FiatAlreadyDecided(f"The entry is {row.state} already; propose a new one.")
    decider = _person(uow)
    if decider == row.proposed_by:
        message = "You proposed this entry yourself; another person has to decide it."
        raise errors.FourEyes(message)
    row.state = state
    row.decided_by = decider
    row.decided_at = uow.now
    row.reason = reason
    return row


def _person(uow: UnitOfWork) -> UUID:
    if uow.actor.kind != "person":
        message = "This needs a person: use a credential that belongs to one."
        raise errors.FourEyes(message)
    person_id = UUID(uow.actor.id)
    identity.person(uow, person_id)
    return person_id

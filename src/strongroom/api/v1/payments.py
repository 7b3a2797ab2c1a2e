"""Accounts, balances, book transfers and fiat entries."""

import json
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from strongroom.api.command import Posting as PostingRoute
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import (
    AccountName,
    After,
    AmountText,
    AssetCode,
    Page,
    PageSize,
    Reference,
    Shown,
    Strict,
    page,
)
from strongroom.db.database import UnitOfWork
from strongroom.identity.types import Role
from strongroom.ledger import service as ledger
from strongroom.ledger.commands import PostingCommand
from strongroom.ledger.types import AccountRef, Balance, Leg, Posting
from strongroom.payments import errors
from strongroom.payments import service as payments
from strongroom.payments.types import FiatCredit, FiatEntryView
from strongroom_protocol.amounts import Amount, Asset, format_amount, parse_amount

router = APIRouter(tags=["books"])
BOOKKEEPING = [Depends(needs(Role.ACCOUNTANT, Role.OWNER, Role.ADMINISTRATOR))]


class AccountIn(Strict):
    """A client account to open, in one asset."""

    name: AccountName
    asset: AssetCode


class AccountOut(Shown):
    """A client account."""

    name: str
    asset: str


class BalanceOut(Shown):
    """One account's balance, as decimal text in the asset's unit."""

    account: str
    asset: str
    posted: str
    pending: str
    available: str

    @classmethod
    def of(cls, balance: Balance) -> "BalanceOut":
        """Show a balance."""
        return cls(
            account=balance.code,
            asset=balance.asset,
            posted=_text(balance.posted, balance.asset),
            pending=_text(balance.pending, balance.asset),
            available=_text(balance.available, balance.asset),
        )


class TransferIn(Strict):
    """Money to move between two accounts of the same organisation."""

    from_account: AccountName
    to_account: AccountName
    asset: AssetCode
    amount: AmountText
    reference: Reference


class TransferOut(Shown):
    """A book transfer that was posted."""

    id: UUID
    from_account: str
    to_account: str
    asset: str
    amount: str
    reference: str


class FiatEntryIn(Strict):
    """A fiat credit to propose; another person approves it."""

    reference: Reference
    bank: AccountName
    account: AccountName
    asset: AssetCode
    amount: AmountText
    note: Annotated[str, Field(max_length=500)] = ""


class ReasonIn(Strict):
    """Why something is refused; it is kept for ever."""

    reason: Annotated[str, Field(min_length=3, max_length=500)]


class FiatEntryOut(Shown):
    """A fiat entry and who decided it."""

    id: UUID
    reference: str
    bank: str
    account: str
    asset: str
    amount: str
    note: str
    state: str
    proposed_by: UUID
    proposed_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    reason: str | None

    @classmethod
    def of(cls, row: FiatEntryView) -> "FiatEntryOut":
        """Show a row."""
        return cls(
            id=row.id,
            reference=row.reference,
            bank=row.bank,
            account=row.account.removeprefix("client:"),
            asset=row.asset,
            amount=_text(row.units, row.asset),
            note=row.note,
            state=row.state,
            proposed_by=row.proposed_by,
            proposed_at=row.proposed_at,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            reason=row.reason,
        )


@router.post("/accounts", response_model=AccountOut, status_code=201, dependencies=BOOKKEEPING)
def open_account(body: AccountIn, command: PostingRoute) -> Response:
    """Open a client account; opening it again changes nothing."""
    asset = Asset(body.asset).code

    def work(uow: UnitOfWork) -> AccountOut:
        ref = AccountRef(command.organisation_id, f"client:{body.name}", asset)
        ledger.open_accounts(uow, [ref])
        return AccountOut(name=body.name, asset=asset)

    return command.run(work)


@router.get("/balances")
def balances(query: Reading) -> Page[BalanceOut]:
    """Every account of the organisation: posted, held (pending) and available."""
    rows = query.run(lambda uow: ledger.balances(uow, query.caller.organisation_id))
    return Page(items=[BalanceOut.of(row) for row in rows], next=None)


@router.post("/transfers", response_model=TransferOut, status_code=201, dependencies=BOOKKEEPING)
def transfer(body: TransferIn, command: PostingRoute) -> Response:
    """Move money between two own accounts at once, or refuse and move nothing."""
    if body.from_account == body.to_account:
        raise errors.SameAccount("A transfer needs two different accounts.")
    amount = parse_amount(body.amount, Asset(body.asset))
    answer = TransferOut(
        id=command.services.new_id(),
        from_account=body.from_account,
        to_account=body.to_account,
        asset=amount.asset.code,
        amount=format_amount(amount),
        reference=body.reference,
    )
    posting = Posting(
        organisation_id=command.organisation_id,
        key=f"transfer:{body.reference}",
        kind="transfer.book",
        legs=(
            Leg(
                f"client:{body.from_account}",
                f"client:{body.to_account}",
                amount.asset.code,
                amount.units,
            ),
        ),
        memo={"reference": body.reference},
    )
    stored = command.services.postings.submit(
        PostingCommand(
            posting=posting,
            actor=command.actor,
            request_id=command.request_id,
            idempotency_key=command.key,
            body_hash=command.body_hash,
            status=201,
            answer=json.loads(answer.model_dump_json()),
            action="transfer.booked",
        )
    )
    return command.answer(stored.result(timeout=command.services.patience_seconds))


@router.post(
    "/fiat/entries", response_model=FiatEntryOut, status_code=201, dependencies=BOOKKEEPING
)
def propose_fiat_entry(body: FiatEntryIn, command: PostingRoute) -> Response:
    """Propose a fiat credit; nothing is booked until another person approves it."""
    credit = FiatCredit(
        reference=body.reference,
        bank=body.bank,
        account=f"client:{body.account}",
        amount=parse_amount(body.amount, Asset(body.asset)),
        note=body.note,
    )
    return command.run(lambda uow: FiatEntryOut.of(payments.propose(uow, credit)))


@router.get("/fiat/entries")
def list_fiat_entries(
    query: Reading, after: After = None, limit: PageSize = 50
) -> Page[FiatEntryOut]:
    """Fiat entries, newest first."""
    rows = query.run(lambda uow: payments.entries(uow, after, limit + 1))
    return page(rows, limit, FiatEntryOut.of, lambda row: row.id)


@router.post(
    "/fiat/entries/{entry_id}/approvals",
    response_model=FiatEntryOut,
    status_code=200,
    dependencies=BOOKKEEPING,
)
def approve_fiat_entry(entry_id: UUID, command: PostingRoute) -> Response:
    """Book a fiat credit that somebody else proposed."""
    return command.run(lambda uow: FiatEntryOut.of(payments.approve(uow, entry_id)), status=200)


@router.post(
    "/fiat/entries/{entry_id}/rejections",
    response_model=FiatEntryOut,
    status_code=200,
    dependencies=BOOKKEEPING,
)
def reject_fiat_entry(entry_id: UUID, body: ReasonIn, command: PostingRoute) -> Response:
    """Refuse a fiat credit that somebody else proposed, for good."""
    return command.run(
        lambda uow: FiatEntryOut.of(payments.reject(uow, entry_id, body.reason)), status=200
    )


def _text(units: int, asset: str) -> str:
    """Return units as decimal text; house and receivable accounts may be below zero."""
    shown = format_amount(Amount(abs(units), Asset(asset)))
    return f"-{shown}" if units < 0 else shown

"""Deposits: what came in, where it stands, and what screening said."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import (
    AddressText,
    After,
    Hash32,
    Page,
    PageSize,
    Reference,
    Shown,
    SignatureHex,
    Strict,
    page,
)
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.deposits import service as deposits
from strongroom.deposits.types import DepositView, Disposition
from strongroom.identity import service as identity
from strongroom.identity.types import Role
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.amounts import Amount, Asset, format_amount
from strongroom_protocol.encoding import to_hex

router = APIRouter(prefix="/deposits", tags=["deposits"])


class DepositOut(Shown):
    """A transfer to one of the organisation's addresses. `asset` is null for unlisted tokens;
    `awaits` says what its credit waits for and why, null when for nothing but screening.
    """

    id: UUID
    state: str
    chain_state: str
    asset: str | None
    token: str | None
    amount: str | None
    units: str
    address: str
    account: str
    customer_reference: str | None
    confirmations: int
    level: str
    awaits: str | None
    payer: str
    tx_hash: str
    height: int
    block_hash: str
    seen_at: datetime
    settled_at: datetime | None
    swept_at: datetime | None

    @classmethod
    def of(cls, view: DepositView) -> "DepositOut":
        """Show a view."""
        amount = None
        if view.asset is not None:
            amount = format_amount(Amount(view.units, Asset(view.asset)))
        return cls(
            id=view.id,
            state=view.state,
            chain_state=view.chain_state,
            asset=view.asset,
            token=None if view.token is None else checksum(view.token),
            amount=amount,
            units=str(view.units),
            address=checksum(view.address),
            account=view.client_account.removeprefix("client:"),
            customer_reference=view.customer_reference,
            confirmations=view.confirmations,
            level=view.level,
            awaits=view.awaits,
            payer=checksum(view.payer),
            tx_hash="0x" + view.tx_hash.hex(),
            height=view.height,
            block_hash="0x" + view.block_hash.hex(),
            seen_at=view.seen_at,
            settled_at=view.settled_at,
            swept_at=view.swept_at,
        )


@router.get("")
def listing(
    query: Reading,
    customer_reference: Reference | None = None,
    address: AddressText | None = None,
    disposition: Disposition | None = None,
    after: After = None,
    limit: PageSize = 50,
) -> Page[DepositOut]:
    """Deposits, newest first; of one customer, to one address, or of one disposition."""
    to = None if address is None else parse_address(address)
    which = deposits.Which(customer_reference, to, disposition)
    rows = query.run(
        lambda uow: deposits.list_deposits(uow, after=after, limit=limit + 1, which=which)
    )
    return page(rows, limit, DepositOut.of, lambda row: row.id)


class SweepReleaseIn(Strict):
    """What administrators signed (EIP-712 `SweepRelease`): this sweep moved nothing of that."""

    ref: Hash32
    account: AddressText
    token: AddressText
    signatures: Annotated[list[SignatureHex], Field(min_length=1, max_length=64)]


class SweepReleaseOut(Shown):
    """What the signer let go; its deposits are planned again."""

    ref: str
    released: bool


@router.post(
    "/sweep-releases",
    response_model=SweepReleaseOut,
    status_code=202,
    dependencies=[Depends(needs(Role.ADMINISTRATOR, Role.OWNER))],
)
def release(body: SweepReleaseIn, command: Posting) -> Response:
    """Hand in the administrators' word on a sweep that was cancelled or failed in part."""
    account, token = parse_address(body.account), parse_address(body.token)
    named = {"ref": body.ref, "account": to_hex(account), "token": to_hex(token)}

    def outside() -> None:
        reference = command.unit(lambda uow: to_hex(identity.organisation(uow).ref))
        command.signer.release_sweep(
            {
                "organisation": reference,
                "ref": body.ref,
                "account": checksum(account),
                "token": checksum(token),
                "signatures": body.signatures,
            }
        )

    def record(uow: UnitOfWork, _: None) -> SweepReleaseOut:
        outbox.enqueue(uow, "deposits.release", f"{body.ref}:{account.hex()}:{token.hex()}", named)
        return SweepReleaseOut(ref=body.ref, released=True)

    return command.act(outside, record, status=202)


@router.post(
    "/{deposit_id}/acceptance",
    response_model=DepositOut,
    status_code=202,
    dependencies=[Depends(needs(Role.ADMINISTRATOR, Role.OWNER))],
)
def accept(deposit_id: UUID, command: Posting) -> Response:
    """Take a second payment to a single-use address: it is credited once its terms are met."""

    def work(uow: UnitOfWork) -> DepositOut:
        deposits.ask_accept(uow, deposit_id, "deposits.accept")
        return DepositOut.of(deposits.get(uow, deposit_id))

    return command.run(work, status=202)


class NobodysIn(Strict):
    """Why money that nobody paid is taken, in compliance's words; kept for ever."""

    why: Annotated[str, Field(min_length=3, max_length=500)]


@router.post(
    "/{deposit_id}/no-payer-acceptance",
    response_model=DepositOut,
    status_code=202,
    dependencies=[Depends(needs(Role.COMPLIANCE))],
)
def accept_nobodys(deposit_id: UUID, body: NobodysIn, command: Posting) -> Response:
    """Take a mint, or a withdrawal from the beacon chain: there is no payer to be screened."""

    def work(uow: UnitOfWork) -> DepositOut:
        deposits.accept_nobodys(uow, deposit_id, body.why)
        return DepositOut.of(deposits.get(uow, deposit_id))

    return command.run(work, status=202)


@router.get("/{deposit_id}")
def detail(deposit_id: UUID, query: Reading) -> DepositOut:
    """One deposit."""
    return query.run(lambda uow: DepositOut.of(deposits.get(uow, deposit_id)))

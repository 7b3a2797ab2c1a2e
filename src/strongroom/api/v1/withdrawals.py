"""Withdrawals: draft, request, approve, reject, cancel, follow."""

from datetime import datetime
from typing import Annotated, Any, TypedDict
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import Caller, needs
from strongroom.api.shapes import (
    AccountName,
    AddressText,
    After,
    AmountText,
    AssetCode,
    Page,
    PageSize,
    Reference,
    Shown,
    SignatureHex,
    SignatureText,
    Strict,
    WeiText,
    hexed,
    page,
)
from strongroom.api.v1.seen import NeedOut, ReminderOut, SeenOut
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.identity.errors import PersonUnknown
from strongroom.identity.types import Role
from strongroom.relay.types import FeeLevel
from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.requests import Wish
from strongroom.withdrawals.types import TransitionView, WithdrawalView
from strongroom_protocol.addresses import checksum

router = APIRouter(prefix="/withdrawals", tags=["withdrawals"])
INITIATING = [Depends(needs(Role.INITIATOR))]
APPROVING = [Depends(needs(Role.APPROVER))]
Text500 = Annotated[str, Field(min_length=3, max_length=280)]


class DraftOut(Shown):
    """What the initiator is to sign, and what the policy would say. Nothing is kept."""

    chain_id: int
    intent: dict[str, Any]
    request_id: str
    typed_data: dict[str, Any]
    verdict: str
    sentence: str


class WithdrawalIn(Strict):
    """A withdrawal: the intent as drafted, and the initiator's EIP-712 signature over it. `memo`:
    your own words, told in answers and events and never sent on; `fee_level`: which of the usual
    tips is offered.
    """

    account: AccountName
    intent: dict[str, Any]
    initiator_signature: SignatureHex
    memo: Annotated[str, Field(max_length=1000)] = ""
    fee_level: FeeLevel = "normal"


class ApprovalIn(Strict):
    """An approver's signatures: for the vault over the SafeTx and the readable VaultPayment, for a
    spending key the one `signature` over the order.
    """

    safe_tx_signature: SignatureText | None = None
    payment_signature: SignatureText | None = None
    signature: SignatureText | None = None

    @property
    def first(self) -> str:
        """The one over what moves the money; empty when it is missing."""
        return self.signature or self.safe_tx_signature or ""


class RefusalIn(Strict):
    """A final refusal: the reason, and the EIP-712 `Rejection` signed with it."""

    reason: Text500
    signature: SignatureHex


class ApprovalOut(Shown):
    """Who approved; `void` says why the signature counts no more; `stands_for`: as whose deputy."""

    person: str
    address: str
    at: datetime
    void: str | None
    stands_for: list[str]


class TransitionOut(Shown):
    """One step of a withdrawal's history."""

    step: int
    from_state: str | None
    to_state: str
    reason: str | None
    actor: str
    at: datetime

    @classmethod
    def of(cls, view: TransitionView) -> "TransitionOut":
        """Show a view."""
        return cls(
            step=view.step,
            from_state=view.from_state,
            to_state=view.to_state,
            reason=view.reason,
            actor=view.actor,
            at=view.at,
        )


class WithdrawalOut(Shown):
    """A withdrawal as it stands."""

    id: UUID
    request_id: str
    state: str
    reason: str | None
    rule: str | None
    reference: str
    account: str
    asset: str
    amount: str
    to: str
    wallet: str
    wallet_kind: str
    initiator: str
    valid_until: datetime
    policy_version: int
    safe_nonce: int | None
    safe_tx_hash: str | None
    required: list[str]
    approvals: list[ApprovalOut]
    tx_hash: str | None
    created_at: datetime
    memo: str
    fee_level: str
    max_fee_wei: str
    batch: UUID | None

    @classmethod
    def of(cls, view: WithdrawalView) -> "WithdrawalOut":
        """Show a view."""
        return cls(
            id=view.id,
            request_id=hexed(view.intent) or "",
            state=view.state,
            reason=view.reason,
            rule=view.rule_id,
            reference=view.reference,
            account=view.source.removeprefix("client:"),
            asset=view.asset,
            amount=view.amount,
            to=view.to,
            wallet=view.wallet,
            wallet_kind=view.wallet_kind,
            initiator=view.initiator,
            valid_until=view.valid_until,
            policy_version=view.policy_version,
            safe_nonce=view.safe_nonce,
            safe_tx_hash=hexed(view.safe_tx_hash),
            required=list(view.required),
            approvals=[
                ApprovalOut(
                    person=each.person,
                    address=each.address,
                    at=each.at,
                    void=each.void,
                    stands_for=list(each.stands_for),
                )
                for each in view.approvals
            ],
            tx_hash=hexed(view.tx_hash),
            created_at=view.created_at,
            memo=view.memo,
            fee_level=view.fee_level,
            max_fee_wei=str(view.max_fee_wei),
            batch=view.batch,
        )


class WithdrawalDetail(WithdrawalOut):
    """A withdrawal, what approvers see and sign while it waits for them, and its history."""

    intent: dict[str, Any]
    safe_tx: dict[str, Any] | None
    payment: dict[str, Any] | None
    order: dict[str, Any] | None
    batch_of: dict[str, Any] | None
    seen: SeenOut | None
    needs: list[NeedOut]
    may_sign_now: list[str]
    reminders: list[ReminderOut]
    history: list[TransitionOut]


class Gas(TypedDict):
    """What gas may cost: in wei, or by what it costs now."""

    max_fee_wei: str | None
    fee_level: FeeLevel | None


def _gas(
    max_fee_wei: Annotated[WeiText | None, Query(description="The most that gas may cost.")] = None,
    fee_level: Annotated[FeeLevel | None, Query(description="Or by what it costs now.")] = None,
) -> Gas:
    return {"max_fee_wei": max_fee_wei, "fee_level": fee_level}


def _wish(
    *,
    asset: Annotated[AssetCode, Query()],
    to: Annotated[AddressText, Query()],
    amount: Annotated[AmountText, Query(description='In the asset\'s unit, or "all".')],
    reference: Annotated[Reference, Query()],
    account: Annotated[AccountName, Query()] = "treasury",
    wallet: Annotated[AddressText | None, Query(description="A spending key; none: vault.")] = None,
    gas: Annotated[Gas, Depends(_gas)],
    store_epoch: Annotated[int | None, Query(ge=1, description="An offline signer's.")] = None,
) -> Wish:
    """What an order is drafted from; `account` matters for the amount "all" alone."""
    return Wish(
        asset=asset,
        to=to,
        amount=amount,
        reference=reference,
        from_wallet=wallet,
        max_fee_wei=gas["max_fee_wei"],
        fee_level=gas["fee_level"],
        source=f"client:{account}",
        store_epoch=store_epoch,
    )


@router.get("/draft", dependencies=INITIATING)
def draft(query: Reading, wish: Annotated[Wish, Depends(_wish)]) -> DraftOut:
    """Make the intent that the initiator signs; nothing is kept and nothing is held."""
    drafted, chain_id = query.run(
        lambda uow: (withdrawals.prepare(uow, **wish), identity.organisation(uow).chain_id)
    )
    return DraftOut(
        chain_id=chain_id,
        intent=dict(drafted.fields),
        request_id=drafted.intent,
        typed_data=dict(drafted.typed_data),
        verdict=drafted.verdict.kind,
        sentence=drafted.verdict.sentence,
    )


@router.post("", response_model=WithdrawalOut, status_code=201, dependencies=INITIATING)
def request(body: WithdrawalIn, command: Posting) -> Response:
    """Request a withdrawal; the money is held at once, until the withdrawal ends."""
    return command.run(
        lambda uow: WithdrawalOut.of(
            withdrawals.request(
                uow,
                fields=body.intent,
                initiator_signature=body.initiator_signature,
                source=f"client:{body.account}",
                memo=body.memo,
                fee_level=body.fee_level,
            )
        )
    )


@router.get("")
def listing(
    query: Reading, state: str | None = None, after: After = None, limit: PageSize = 50
) -> Page[WithdrawalOut]:
    """Withdrawals, newest first."""
    rows = query.run(lambda uow: withdrawals.page(uow, state=state, after=after, limit=limit + 1))
    return page(rows, limit, WithdrawalOut.of, lambda row: row.id)


@router.get("/{withdrawal_id}")
def detail(withdrawal_id: UUID, query: Reading) -> WithdrawalDetail:
    """One withdrawal: what is signed, who signed, and every step so far."""

    def look(uow: UnitOfWork) -> WithdrawalDetail:
        view = withdrawals.get(uow, withdrawal_id)
        signing = withdrawals.signing_data_or_none(uow, withdrawal_id)
        seen = withdrawals.what_is_seen(uow, withdrawal_id)
        return WithdrawalDetail(
            **WithdrawalOut.of(view).model_dump(),
            intent=dict(view.fields),
            safe_tx=None if signing is None or signing.is_order else dict(signing.typed),
            payment=None if signing is None or signing.payment is None else dict(signing.payment),
            order=dict(signing.typed) if signing is not None and signing.is_order else None,
            batch_of=None if signing is None or signing.batch is None else dict(signing.batch),
            seen=None if seen is None else SeenOut.of(seen),
            needs=[] if signing is None else [NeedOut.of(each) for each in signing.needs],
            may_sign_now=[] if signing is None else list(signing.may_sign_now),
            reminders=[ReminderOut.of(each) for each in withdrawals.reminders(uow, withdrawal_id)],
            history=[TransitionOut.of(each) for each in withdrawals.history(uow, withdrawal_id)],
        )

    return query.run(look)


@router.post(
    "/{withdrawal_id}/approvals",
    response_model=WithdrawalOut,
    status_code=200,
    dependencies=APPROVING,
)
def approve(withdrawal_id: UUID, body: ApprovalIn, command: Posting) -> Response:
    """Hand in the caller's own signatures. The last one that is needed sends the payment."""
    return command.run(
        lambda uow: WithdrawalOut.of(
            withdrawals.approve(
                uow,
                withdrawal_id,
                approver=_own_address(uow, command.caller),
                signature=body.first,
                payment_signature=body.payment_signature,
            )
        ),
        status=200,
    )


@router.post(
    "/{withdrawal_id}/rejections",
    response_model=WithdrawalOut,
    status_code=200,
    dependencies=APPROVING,
)
def reject(withdrawal_id: UUID, body: RefusalIn, command: Posting) -> Response:
    """Refuse a withdrawal for good, with a reason."""
    return command.run(
        lambda uow: WithdrawalOut.of(
            withdrawals.reject(
                uow,
                withdrawal_id,
                person=_own_address(uow, command.caller),
                reason=body.reason,
                signature=body.signature,
            )
        ),
        status=200,
    )


@router.post(
    "/{withdrawal_id}/cancellations",
    response_model=WithdrawalOut,
    status_code=200,
    dependencies=INITIATING,
)
def cancel(withdrawal_id: UUID, body: RefusalIn, command: Posting) -> Response:
    """Take back one's own withdrawal, as its initiator."""
    return command.run(
        lambda uow: WithdrawalOut.of(
            withdrawals.cancel(uow, withdrawal_id, reason=body.reason, signature=body.signature)
        ),
        status=200,
    )


def _own_address(uow: UnitOfWork, caller: Caller) -> str:
    """Return the caller's own signing address. Raises PersonUnknown when there is none."""
    if caller.person_id is not None:
        address = identity.person(uow, caller.person_id).address
        if address is not None:
            return checksum(address)
    message = "This needs a person with a signing address; use a credential that belongs to one."
    raise PersonUnknown(message)

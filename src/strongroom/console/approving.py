"""What people hand in at the console: their wallets' signatures to approve, reject or take back."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from strongroom.bootstrap.api import Services
from strongroom.console import card, session
from strongroom.identity import service as identity
from strongroom.identity.types import Caller, Role
from strongroom.withdrawals import service as withdrawals

router = APIRouter(prefix="/console/withdrawals/{withdrawal_id}", include_in_schema=False)
Viewer = Annotated[Caller, Depends(session.viewer)]
Found = Annotated[Services, Depends(session.services)]
Reason = Annotated[str, Field(min_length=3, max_length=280)]
OWN_PAGE = [Depends(session.same_origin)]


class Approval(BaseModel):
    """What the approver's wallet signed in the browser."""

    safe_tx_signature: str | None = None
    payment_signature: str | None = None
    signature: str | None = None
    """Over the order itself, for a spending key."""


class Refusal(BaseModel):
    """The reason, and the `Rejection` that the wallet signed with it."""

    reason: Reason
    signature: str


@router.post("/approvals", dependencies=OWN_PAGE)
def approve(withdrawal_id: UUID, body: Approval, found: Found, viewer: Viewer) -> Response:
    """Hand in what the viewer's own wallet signed; handing it in twice is refused as doubled."""
    identity.require_role(viewer, [Role.APPROVER])
    with found.database.unit(viewer.organisation_id, viewer.actor) as uow:
        view = withdrawals.approve(
            uow,
            withdrawal_id,
            approver=card.own_address(uow, viewer) or "",
            signature=body.signature or body.safe_tx_signature or "",
            payment_signature=body.payment_signature,
        )
    return JSONResponse({"state": view.state})


@router.get("/rejection")
def rejection(
    withdrawal_id: UUID,
    found: Found,
    viewer: Viewer,
    reason: Annotated[str, Query(min_length=3, max_length=280)],
) -> dict[str, Any]:
    """What is signed to reject with this reason, or to take one's own order back."""
    with found.database.read(viewer.organisation_id, viewer.actor) as uow:
        return dict(withdrawals.rejection_data(uow, withdrawal_id, reason))


@router.post("/rejections", dependencies=OWN_PAGE)
def reject(withdrawal_id: UUID, body: Refusal, found: Found, viewer: Viewer) -> Response:
    """An approver's final no."""
    identity.require_role(viewer, [Role.APPROVER])
    with found.database.unit(viewer.organisation_id, viewer.actor) as uow:
        view = withdrawals.reject(
            uow,
            withdrawal_id,
            person=card.own_address(uow, viewer) or "",
            reason=body.reason,
            signature=body.signature,
        )
    return JSONResponse({"state": view.state})


@router.post("/cancellations", dependencies=OWN_PAGE)
def take_back(withdrawal_id: UUID, body: Refusal, found: Found, viewer: Viewer) -> Response:
    """The initiator takes the own order back."""
    identity.require_role(viewer, [Role.INITIATOR])
    with found.database.unit(viewer.organisation_id, viewer.actor) as uow:
        view = withdrawals.cancel(uow, withdrawal_id, reason=body.reason, signature=body.signature)
    return JSONResponse({"state": view.state})

"""Cold wallets: the file for the offline machine, as JSON or as pictures, and what comes back."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from strongroom.api import qr
from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import Strict
from strongroom.api.v1.withdrawals import WithdrawalOut
from strongroom.identity.types import Role
from strongroom.kit.errors import NotFound
from strongroom.withdrawals import service as withdrawals

router = APIRouter(prefix="/withdrawals", tags=["withdrawals"])
CARRYING = [Depends(needs(Role.INITIATOR, Role.APPROVER))]
PoliciesAfter = Annotated[
    int, Query(ge=0, description="The policy version that the offline machine has; 0 = none.")
]
Attempt = Annotated[
    int | None,
    Query(ge=0, le=15, description="The next one, if some were signed and not brought back."),
]


class PictureUnknown(NotFound):
    """There are fewer pictures than that."""

    code = "withdrawal.picture_unknown"


class SignedIn(Strict):
    """What `strongroom-signer deliver --out` wrote on the offline machine."""

    document: Annotated[dict[str, Any], Field(max_length=16)]


@router.get("/{withdrawal_id}/export", dependencies=CARRYING)
def export(
    withdrawal_id: UUID, query: Reading, policies_after: PoliciesAfter = 0, attempt: Attempt = None
) -> JSONResponse:
    """The file for `strongroom-signer deliver`: the payment as people signed it, after the policies
    that the offline machine lacks. While the payment is being taken back it is the cancellation.
    """
    found = query.run(
        lambda uow: withdrawals.export(
            uow, withdrawal_id, policies_after=policies_after, attempt=attempt
        )
    )
    name = f"withdrawal-{withdrawal_id}.json"
    return JSONResponse(found, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/{withdrawal_id}/export/pictures/{number}", dependencies=CARRYING)
def picture(
    withdrawal_id: UUID,
    number: int,
    query: Reading,
    form: Annotated[qr.Form, Query()] = "svg",
    policies_after: PoliciesAfter = 0,
    attempt: Attempt = None,
) -> Response:
    """One of the file's QR pictures, from 1 on; the header `Pictures` says how many there are."""
    found = query.run(
        lambda uow: withdrawals.export(
            uow, withdrawal_id, policies_after=policies_after, attempt=attempt
        )
    )
    drawn = qr.symbols(found)
    if not 1 <= number <= len(drawn):
        raise PictureUnknown(f"The file has {len(drawn)} pictures, counted from 1.")
    kind = "image/svg+xml" if form == "svg" else "image/png"
    content = qr.draw(drawn[number - 1], form)
    return Response(content, media_type=kind, headers={"Pictures": str(len(drawn))})


@router.post(
    "/{withdrawal_id}/signed", response_model=WithdrawalOut, status_code=200, dependencies=CARRYING
)
def take_in(withdrawal_id: UUID, body: SignedIn, command: Posting) -> Response:
    """Hand in what the offline machine signed. It is sent if it does exactly what was ordered;
    anything else is refused and changes nothing.
    """
    return command.run(
        lambda uow: WithdrawalOut.of(withdrawals.take_in(uow, withdrawal_id, body.document)),
        status=200,
    )

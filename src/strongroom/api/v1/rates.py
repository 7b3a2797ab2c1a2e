"""Prices, as the sources of the signed policy state them in its currency."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import StringConstraints

from strongroom.api.command import Posting
from strongroom.api.security import needs
from strongroom.api.shapes import Shown, Strict
from strongroom.identity.types import Role
from strongroom.withdrawals import service as withdrawals
from strongroom_protocol.rates import RateStatement

router = APIRouter(prefix="/rates", tags=["policy"])
FEEDING = [Depends(needs(Role.ADMINISTRATOR, Role.ACCOUNTANT, Role.INITIATOR))]
Ed25519Hex = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{128}$")]


class RateIn(Strict):
    """A `strongroom.rate/1` document and its source's Ed25519 signature over its canonical JSON."""

    document: dict[str, Any]
    signature: Ed25519Hex


class RateOut(Shown):
    """What was taken in."""

    source: str
    asset: str
    currency: str
    price: str
    at: datetime

    @classmethod
    def of(cls, found: RateStatement) -> "RateOut":
        """Show it."""
        return cls(
            source=found.source,
            asset=found.asset,
            currency=found.currency,
            price=str(found.price),
            at=datetime.fromtimestamp(found.at, UTC),
        )


@router.post("", response_model=RateOut, status_code=201, dependencies=FEEDING)
def state_rate(body: RateIn, command: Posting) -> Response:
    """Hand in a price. Who sends it does not matter: only a listed source's signature counts."""
    return command.run(
        lambda uow: RateOut.of(withdrawals.take_rate(uow, body.document, body.signature))
    )

"""Floats of hot wallets: how much shall lie there, and which payments that asks for."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import AddressText, AmountText, AssetCode, Shown, Strict
from strongroom.identity.types import Role
from strongroom.withdrawals import floats
from strongroom.withdrawals.floats import FloatView, ProposalView
from strongroom_protocol.addresses import parse_address

router = APIRouter(prefix="/floats", tags=["withdrawals"])
TREASURY = [Depends(needs(Role.OWNER, Role.ADMINISTRATOR))]


class FloatIn(Strict):
    """Limits of an asset on a hot wallet, in rising order; a maximum of 0 ends the float."""

    wallet: AddressText
    asset: AssetCode
    minimum: AmountText
    target: AmountText
    maximum: AmountText


class FloatOut(Shown):
    """A float in force, and what lies free on the wallet by the books."""

    wallet: str
    asset: str
    version: int
    minimum: str
    target: str
    maximum: str
    lies: str
    set_by: str
    set_at: datetime

    @classmethod
    def of(cls, view: FloatView) -> "FloatOut":
        """Show a view."""
        names = cls.model_fields
        return cls(**{name: getattr(view, name) for name in names})


class ProposalOut(Shown):
    """A payment that a float asks for; draft it with this reference, sign it, order it."""

    id: UUID
    kind: str
    asset: str
    amount: str
    wallet: str | None
    to: str
    reference: str
    sentence: str
    created_at: datetime
    withdrawal: UUID | None

    @classmethod
    def of(cls, view: ProposalView) -> "ProposalOut":
        """Show a view; `wallet` is what a draft names: none = the vault pays."""
        names = [name for name in cls.model_fields if name != "wallet"]
        return cls(wallet=view.payer, **{name: getattr(view, name) for name in names})


class FloatsOut(Shown):
    """Everything about floats."""

    floats: list[FloatOut]
    proposals: list[ProposalOut]


@router.get("")
def listing(query: Reading) -> FloatsOut:
    """The floats in force, and the payments that they ask for now."""
    found, proposed = query.run(lambda uow: (floats.floats(uow), floats.proposals(uow)))
    return FloatsOut(
        floats=[FloatOut.of(one) for one in found],
        proposals=[ProposalOut.of(one) for one in proposed],
    )


@router.post("", response_model=FloatOut, status_code=201, dependencies=TREASURY)
def set_float(body: FloatIn, command: Posting) -> Response:
    """Say how much of an asset shall lie on a hot wallet from now on."""
    return command.run(
        lambda uow: FloatOut.of(
            floats.set_float(
                uow,
                wallet=parse_address(body.wallet),
                asset=body.asset,
                minimum=body.minimum,
                target=body.target,
                maximum=body.maximum,
            )
        )
    )

"""What deposits must have before they are credited: the house's rules, and an organisation's."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import AmountText, AssetCode, Page, Shown, Strict
from strongroom.db.database import UnitOfWork
from strongroom.deposits import service as deposits
from strongroom.deposits.errors import RuleInvalid
from strongroom.deposits.terms import Kind, Level, Rule
from strongroom.identity.types import Role
from strongroom.kit.ids import HOUSE
from strongroom_protocol.amounts import Amount, Asset, format_amount, parse_amount

router = APIRouter(tags=["deposits"])
OWN = [Depends(needs(Role.ADMINISTRATOR, Role.OWNER))]
OPERATING = [Depends(needs(Role.OPERATOR))]


class RuleIn(Strict):
    """`confirmation`: from `amount` of the asset on, so many blocks (the deposit's own included)
    and the level. `dust`: below `amount` a deposit is kept until its address has so much together.
    Without chain_id or asset it speaks of all of them. One of the same kind, chain, asset and
    amount (dust: whatever its amount) ends.
    """

    kind: Kind = "confirmation"
    chain_id: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    asset: AssetCode | None = None
    amount: AmountText | None = None
    confirmations: Annotated[int, Field(ge=0, le=10_000)] = 0
    level: Level = "confirmed"

    def new(self) -> deposits.NewRule:
        """As the room takes it. Raises RuleInvalid, the protocol's errors of assets and amounts."""
        units = 0
        if self.amount is not None:
            if self.asset is None:
                raise RuleInvalid("An amount is one of an asset; name the asset.")
            units = parse_amount(self.amount, Asset(self.asset)).units
        return deposits.NewRule(
            self.kind, self.chain_id, self.asset, units, self.confirmations, self.level
        )


class RuleOut(Shown):
    """A rule; `of` says whose it is. All that stand and fit a deposit count together."""

    id: UUID
    of: str
    kind: str
    chain_id: int | None
    asset: str | None
    amount: str | None
    confirmations: int
    level: str
    set_at: datetime
    set_by: str
    ended_at: datetime | None
    ended_by: str | None

    @classmethod
    def show(cls, rule: Rule) -> "RuleOut":
        """Show a rule."""
        amount = None
        if rule.asset is not None and rule.units:
            amount = format_amount(Amount(rule.units, Asset(rule.asset)))
        return cls(
            id=rule.id,
            of="house" if rule.organisation_id == HOUSE else "organisation",
            kind=rule.kind,
            chain_id=rule.chain_id,
            asset=rule.asset,
            amount=amount,
            confirmations=rule.confirmations,
            level=rule.level,
            set_at=rule.set_at,
            set_by=rule.set_by,
            ended_at=rule.ended_at,
            ended_by=rule.ended_by,
        )


@router.get("/deposit-rules")
def listing(query: Reading) -> Page[RuleOut]:
    """Every rule that binds the organisation or ever did, the house's too, newest first."""

    def look(uow: UnitOfWork) -> Page[RuleOut]:
        return Page(items=[RuleOut.show(rule) for rule in deposits.rules_of(uow)], next=None)

    return query.run(look)


@router.post("/deposit-rules", response_model=RuleOut, status_code=201, dependencies=OWN)
def set_rule(body: RuleIn, command: Posting) -> Response:
    """Set a rule of the organisation's own: it may only make deposits wait longer."""
    return command.run(lambda uow: RuleOut.show(deposits.set_rule(uow, body.new())))


@router.post("/deposit-rules/{rule_id}/end", response_model=RuleOut, dependencies=OWN)
def end_rule(rule_id: UUID, command: Posting) -> Response:
    """Let a rule of the organisation end; deposits that wait for it already go on waiting."""
    return command.run(lambda uow: RuleOut.show(deposits.end_rule(uow, rule_id)), status=200)


@router.post(
    "/operator/deposit-rules", response_model=RuleOut, status_code=201, dependencies=OPERATING
)
def set_house_rule(body: RuleIn, command: Posting) -> Response:
    """Set a rule of the house: the least for every organisation."""
    return command.within(HOUSE).run(lambda uow: RuleOut.show(deposits.set_rule(uow, body.new())))


@router.post(
    "/operator/deposit-rules/{rule_id}/end", response_model=RuleOut, dependencies=OPERATING
)
def end_house_rule(rule_id: UUID, command: Posting) -> Response:
    """Let a rule of the house end."""
    return command.within(HOUSE).run(
        lambda uow: RuleOut.show(deposits.end_rule(uow, rule_id)), status=200
    )

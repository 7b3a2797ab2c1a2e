"""The vault as it stands on chain, its health, and the changes that are still to be made."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import Page, Shown, SignatureHex, Strict
from strongroom.db.database import UnitOfWork
from strongroom.identity.types import Role
from strongroom.vaults import room, steps
from strongroom.vaults.pending import Pending
from strongroom.vaults.steps import StepView
from strongroom.withdrawals import turns
from strongroom_protocol.addresses import checksum
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.vault_changes import change_document

router = APIRouter(tags=["vault"])
GOVERNING = [Depends(needs(Role.OWNER, Role.ADMINISTRATOR, Role.APPROVER))]


class CheckOut(Shown):
    """One of the ten health checks."""

    name: str
    state: str
    points: int
    sentence: str
    remedy: str | None


class ConfigurationOut(Shown):
    """What stands on chain at a finalized block."""

    height: int
    block_hash: str
    block_time: datetime
    score: int
    checks: list[CheckOut]
    configuration: dict[str, Any]

    @classmethod
    def of(cls, found: room.Standing) -> "ConfigurationOut":
        """Show what was read."""
        kept = found.snapshot
        return cls(
            height=kept.seen_height,
            block_hash=to_hex(kept.seen_hash),
            block_time=kept.seen_time,
            score=found.health.score,
            checks=[
                CheckOut(
                    name=one.name,
                    state=one.state,
                    points=one.points,
                    sentence=one.sentence,
                    remedy=one.remedy or None,
                )
                for one in found.health.checks
            ],
            configuration=kept.configuration,
        )


class PendingOut(Shown):
    """A change that the active policy asks for. `phase`: the step that can be proposed now."""

    change: dict[str, Any]
    words: str
    stage: str
    phase: str | None
    usable_from: int | None

    @classmethod
    def of(cls, one: Pending) -> "PendingOut":
        """Show a change."""
        return cls(
            change=change_document(one.change),
            words=room.words(one.change),
            stage=one.stage,
            phase=one.phase,
            usable_from=one.usable_from or None,
        )


class StepOut(Shown):
    """One Safe transaction of a change. `typed_data`: what its people sign now."""

    id: UUID
    change: dict[str, Any]
    phase: str
    state: str
    reason: str
    safe_nonce: int
    safe_tx_hash: str
    threshold: int
    signed_by: list[str]
    typed_data: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, view: StepView) -> "StepOut":
        """Show a step."""
        return cls(
            id=view.id,
            change=dict(view.change),
            phase=view.phase,
            state=view.state,
            reason=view.reason,
            safe_nonce=view.safe_nonce,
            safe_tx_hash=to_hex(view.safe_tx_hash),
            threshold=view.threshold,
            signed_by=[checksum(one) for one in view.signed_by],
            typed_data=None if view.typed is None else dict(view.typed),
            created_at=view.created_at,
            updated_at=view.updated_at,
        )


class ChangeIn(Strict):
    """The change whose next step is to be made, as `pending` shows it."""

    change: dict[str, Any]


class SignatureIn(Strict):
    """An owner's signature over a step's typed data."""

    signature: SignatureHex


class ReasonIn(Strict):
    """Why a step is taken back."""

    reason: str = Field(min_length=1, max_length=200)


@router.get("/vault/configuration")
def get_configuration(query: Reading) -> ConfigurationOut:
    """The vault's configuration at the last examined block, with its health checks."""
    return query.run(lambda uow: ConfigurationOut.of(room.standing(uow)))


@router.get("/vault/changes")
def list_pending(query: Reading) -> Page[PendingOut]:
    """What the active policy wants changed on chain, in its order."""
    return query.run(
        lambda uow: Page(items=[PendingOut.of(one) for one in steps.wanted(uow)[1]], next=None)
    )


@router.get("/vault/steps")
def list_steps(query: Reading) -> Page[StepOut]:
    """The steps of changes, the newest first."""
    return query.run(
        lambda uow: Page(items=[StepOut.of(view) for view in steps.steps(uow)], next=None)
    )


@router.get("/vault/steps/{step_id}")
def get_step(step_id: UUID, query: Reading) -> StepOut:
    """One step, with what is signed for it now."""
    return query.run(lambda uow: StepOut.of(steps.get(uow, step_id)))


@router.post("/vault/steps", response_model=StepOut, status_code=201, dependencies=GOVERNING)
def propose_step(body: ChangeIn, command: Posting) -> Response:
    """Make the next step of a pending change, for the vault's owners to sign."""

    def work(uow: UnitOfWork) -> StepOut:
        turn = turns.vault_turn(uow)
        return StepOut.of(steps.propose(uow, body.change, turn))

    return command.run(work)


@router.post(
    "/vault/steps/{step_id}/signatures",
    response_model=StepOut,
    status_code=201,
    dependencies=GOVERNING,
)
def sign_step(step_id: UUID, body: SignatureIn, command: Posting) -> Response:
    """Hand in an owner's signature; with enough of them the relay asks the signer."""
    return command.run(lambda uow: StepOut.of(steps.sign(uow, step_id, body.signature)))


@router.post(
    "/vault/steps/{step_id}/withdrawal",
    response_model=StepOut,
    status_code=201,
    dependencies=GOVERNING,
)
def withdraw_step(step_id: UUID, body: ReasonIn, command: Posting) -> Response:
    """Take a step back that the signer was not asked for yet."""
    return command.run(lambda uow: StepOut.of(steps.withdraw(uow, step_id, body.reason)))

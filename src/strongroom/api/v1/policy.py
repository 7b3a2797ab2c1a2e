"""The signed policy: publish a bundle, see the active one, ask what it would say."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import (
    AddressText,
    AmountText,
    AssetCode,
    Page,
    Shown,
    SignatureHex,
    Strict,
)
from strongroom.api.v1.operator import CeremonyAccountIn
from strongroom.db.database import UnitOfWork
from strongroom.identity.types import Role
from strongroom.policy import service as policy
from strongroom.policy.types import BundleView

router = APIRouter(prefix="/policy", tags=["policy"])
GOVERNING = [Depends(needs(Role.OWNER, Role.ADMINISTRATOR))]
Signatures = Annotated[list[SignatureHex], Field(min_length=1, max_length=64)]


class BundleIn(Strict):
    """A bundle and its administrators' signatures.

    The first one also carries the ceremony's manifest, and is signed by the custody officers and
    by every founding administrator and approver.
    """

    bundle: dict[str, Any]
    signatures: Signatures
    officer_signatures: list[SignatureHex] | None = None
    manifest: CeremonyAccountIn | None = None


class BundleOut(Shown):
    """A version of the policy."""

    version: int
    digest: str
    state: str
    activated_at: datetime | None
    content: dict[str, Any]

    @classmethod
    def of(cls, view: BundleView) -> "BundleOut":
        """Show a view."""
        return cls(
            version=view.version,
            digest="0x" + view.digest.hex(),
            state=view.state,
            activated_at=view.activated_at,
            content=dict(view.content),
        )


class QuestionIn(Strict):
    """A payment to ask about: who would initiate what, to whom."""

    initiator: str
    asset: AssetCode
    to: AddressText
    amount: AmountText


class VerdictOut(Shown):
    """What the active policy says, in a sentence."""

    verdict: str
    rule: str | None
    sentence: str


@router.post("/bundles", response_model=BundleOut, status_code=201, dependencies=GOVERNING)
def publish(body: BundleIn, command: Posting) -> Response:
    """Publish a signed bundle. The signer checks every signature by itself and may refuse."""
    signer = command.signer

    def stage(uow: UnitOfWork) -> policy.Staged:
        if body.manifest is None:
            return policy.stage_update(uow, bundle=body.bundle, signatures=body.signatures)
        return policy.stage_first(
            uow,
            bundle=body.bundle,
            signatures=body.signatures,
            officer_signatures=body.officer_signatures or [],
            manifest=body.manifest.model_dump(exclude={"addresses"}),
        )

    def outside() -> policy.Staged:
        staged = command.unit(stage)
        (signer.policy_first if staged.op == "policy_first" else signer.policy_update)(staged.body)
        return staged

    return command.act(outside, lambda uow, staged: BundleOut.of(policy.activate(uow, staged)))


@router.get("/bundles")
def versions(query: Reading) -> Page[BundleOut]:
    """Every version, kept for ever."""
    return query.run(
        lambda uow: Page(items=[BundleOut.of(view) for view in policy.versions(uow)], next=None)
    )


@router.post("/previews", response_model=VerdictOut, status_code=200)
def preview(body: QuestionIn, command: Posting) -> Response:
    """Say what the active policy would answer; nothing is kept but the answer."""

    def work(uow: UnitOfWork) -> VerdictOut:
        verdict = policy.preview(
            uow, initiator=body.initiator, asset=body.asset, to=body.to, amount=body.amount
        )
        return VerdictOut(verdict=verdict.kind, rule=verdict.rule_id, sentence=verdict.sentence)

    return command.run(work, status=200)

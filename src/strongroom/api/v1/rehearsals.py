"""A draft's rehearsal: what it would have said to a period's orders, who could drain under it."""

from datetime import datetime, timedelta
from uuid import UUID

from fastapi import APIRouter, Response

from strongroom.api.command import Posting
from strongroom.api.shapes import AmountText, AssetCode, Shown, Strict
from strongroom.api.v1.drafts import GOVERNING, active_bundle
from strongroom.policy import drafts
from strongroom.policy.reading import read_number
from strongroom.policy.rehearsal import Rehearsal, rehearse
from strongroom.withdrawals import past
from strongroom_protocol.authority import Bundle

router = APIRouter(prefix="/policy", tags=["policy"])
PERIOD_MAX = timedelta(days=366)


class RehearsalIn(Strict):
    """A period, and the prices to assume (of one whole asset, in the currency of the rates)."""

    begins: datetime
    ends: datetime
    prices: dict[AssetCode, AmountText] | None = None


class ChangedOut(Shown):
    """A payment to which the draft says something else."""

    reference: str
    at: int
    amount: str
    before: str
    before_words: str
    after: str
    after_words: str


class PowerOut(Shown):
    """The smallest set of people who could do it; `exact` False: a smaller one may exist."""

    what: str
    people: list[str] | None
    exact: bool
    words: str


class DeadlockOut(Shown):
    """What is stuck, as it is or without one person."""

    what: str
    without: str | None
    words: str


class RehearsalOut(Shown):
    """What the draft would have said, who could drain under it, what would be stuck."""

    looked_at: int
    whole: bool
    changed: list[ChangedOut]
    powers: list[PowerOut]
    deadlocks: list[DeadlockOut]
    assumptions: list[str]

    @classmethod
    def of(cls, found: Rehearsal) -> "RehearsalOut":
        """Show a rehearsal."""
        return cls(
            looked_at=found.looked_at,
            whole=found.whole,
            changed=[
                ChangedOut(
                    reference=one.payment.reference,
                    at=one.payment.at,
                    amount=one.payment.amount(),
                    before=one.before.kind,
                    before_words=one.before.sentence,
                    after=one.after.kind,
                    after_words=one.after.sentence,
                )
                for one in found.changed
            ],
            powers=[
                PowerOut(
                    what=one.what,
                    people=None if one.needs.people is None else list(one.needs.people),
                    exact=one.needs.exact,
                    words=one.words,
                )
                for one in found.powers
            ],
            deadlocks=[
                DeadlockOut(what=one.what, without=one.without, words=one.words)
                for one in found.deadlocks
            ],
            assumptions=list(found.assumptions),
        )


@router.post(
    "/drafts/{draft_id}/rehearsals",
    response_model=RehearsalOut,
    status_code=200,
    dependencies=GOVERNING,
)
def rehearse_draft(draft_id: UUID, body: RehearsalIn, command: Posting) -> Response:
    """Judge a period's orders under the draft, and ask what people could do under it."""

    def outside() -> Rehearsal:
        begins, ends = body.begins, min(body.ends, body.begins + PERIOD_MAX)
        with command.services.database.read(command.organisation_id, command.actor) as uow:
            bundle = drafts.bundle_of(drafts.get(uow, draft_id))
            before = active_bundle(uow) or bundle
            payments = past.between(uow, begins, ends)
            now = int(uow.now.timestamp())
        return rehearse(
            before,
            bundle,
            payments,
            begins=int(begins.timestamp()),
            now=now,
            prices=_prices(bundle, body.prices or {}),
        )

    return command.act(outside, lambda _, found: RehearsalOut.of(found), status=200)


def _prices(bundle: Bundle, told: dict[str, str]) -> dict[str, int | None]:
    """Minor units of the currency for one whole asset."""
    if bundle.rates is None:
        return {}
    currency = bundle.rates.currency
    return {asset: read_number(price, currency) for asset, price in told.items()}

"""What the policy says to an order, as the signer will find it: with what left in the last day."""

from dataclasses import replace
from uuid import UUID

from strongroom.db.database import UnitOfWork
from strongroom.withdrawals import repository
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.wallet import intent_of
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.intents import Withdrawal as Intent
from strongroom_protocol.policy import Facts, Verdict, evaluate


def judge(uow: UnitOfWork, row: Withdrawal, bundle: Bundle, approvers: frozenset[str]) -> Verdict:
    """The verdict on an order that was taken in, with these people's approvals."""
    facts = _facts(uow, row.organisation_id, bundle, intent_of(row), row.asset)
    others = replace(
        facts,
        initiator=row.initiator,
        approvers=approvers,
        spent_units=max(facts.spent_units - row.units, 0),
        wallet_spent_units=max(facts.wallet_spent_units - row.units, 0),
    )
    return evaluate(bundle, others)


def judge_order(
    uow: UnitOfWork, organisation_id: UUID, bundle: Bundle, intent: Intent, asset: str, by: str
) -> Verdict:
    """The verdict on an order that is not there yet; `by`: the initiator's id."""
    return evaluate(
        bundle, replace(_facts(uow, organisation_id, bundle, intent, asset), initiator=by)
    )


def _facts(
    uow: UnitOfWork, organisation_id: UUID, bundle: Bundle, intent: Intent, asset: str
) -> Facts:
    """Without people."""
    return Facts(
        initiator="",
        asset=asset,
        units=intent.units,
        destination=intent.to,
        now=int(uow.now.timestamp()),
        spent_units=repository.spent_in_a_day(uow, organisation_id, asset),
        wallet=None if bundle.spending_at(intent.wallet) is None else intent.wallet,
        wallet_spent_units=repository.spent_in_a_day(uow, organisation_id, asset, intent.wallet),
    )

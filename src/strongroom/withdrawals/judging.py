"""What the policy says to an order, from the same kinds of facts as the signer finds: rates of the
policy's own sources, and what left before.
"""

from dataclasses import replace
from uuid import UUID

from strongroom.db.database import UnitOfWork
from strongroom.screening import service as screening
from strongroom.vaults import service as vaults
from strongroom.withdrawals import rates
from strongroom.withdrawals.history import Recorded
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.wallet import intent_of
from strongroom_protocol.addresses import Address
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.intents import Withdrawal as Intent
from strongroom_protocol.policy import Facts, Verdict, evaluate
from strongroom_protocol.rates import value_units
from strongroom_protocol.rules import Screening

_SCREENED: dict[str, Screening] = {
    "QUEUED": "clear",
    "CLEAR": "clear",
    "EXPIRED": "clear",
    "HIT": "review",
    "ERROR": "unknown",
    "UNSUPPORTED": "unknown",
}
"""Nothing leaves before it is clear, so what is being screened is judged as if it were."""


def judge(uow: UnitOfWork, row: Withdrawal, bundle: Bundle, approvers: frozenset[str]) -> Verdict:
    """The verdict on an order that was taken in, with these people's approvals."""
    history = _history(uow, row.organisation_id, bundle, row.id)
    facts = _facts(history, intent_of(row), row.asset, row.initiator)
    return evaluate(bundle, replace(facts, approvers=approvers, screening=_screened(uow, row)))


def judge_order(
    uow: UnitOfWork, organisation_id: UUID, bundle: Bundle, intent: Intent, asset: str, by: str
) -> Verdict:
    """The verdict on an order that is not there yet; `by`: the initiator's id."""
    history = _history(uow, organisation_id, bundle)
    return evaluate(bundle, _facts(history, intent, asset, by))


def _history(
    uow: UnitOfWork, organisation_id: UUID, bundle: Bundle, but: UUID | None = None
) -> Recorded:
    found = () if bundle.rates is None else rates.statements(uow, organisation_id, bundle)
    return Recorded(uow, organisation_id, bundle, found, but)


def _facts(history: Recorded, intent: Intent, asset: str, by: str) -> Facts:
    """Without approvers."""
    uow, bundle = history.uow, history.bundle
    now = int(uow.now.timestamp())
    wallet = None if bundle.spending_at(intent.wallet) is None else intent.wallet
    vault = vaults.find(uow, history.organisation_id)
    return Facts(
        initiator=by,
        asset=asset,
        units=intent.units,
        destination=intent.to,
        now=now,
        spent_units=history.in_a_day(asset),
        wallet=wallet,
        wallet_spent_units=history.in_a_day(asset, wallet) if wallet else 0,
        vault=None if vault is None else Address(vault.address),
        value_units=value_units(bundle.rates, history.rates, asset, intent.units, now),
        history=history,
    )


def _screened(uow: UnitOfWork, row: Withdrawal) -> Screening:
    if row.screening_id is None:
        return "clear"
    return _SCREENED[screening.clearance(uow, row.screening_id).state]

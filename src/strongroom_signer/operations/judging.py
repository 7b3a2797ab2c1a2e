"""The judgement of a payment, whichever wallet pays: people first, then the policy with the
signer's own counters, then the screener's clearance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.documents import Members
from strongroom_protocol.evidence import Approved, Clearance
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.policy import Facts, Verdict, evaluate
from strongroom_protocol.rates import RateStatement, open_rate, value_units
from strongroom_signer.authority.organisations import Organisation
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Plan
from strongroom_signer.operations.clearances import read_clearance
from strongroom_signer.operations.history import Journalled, float_counter
from strongroom_signer.operations.limits import Paid, count_spend, spent_units
from strongroom_signer.operations.reading import signed_document

# An intent that is valid for longer than this was not meant for one payment.
INTENT_SECONDS_MAX = 30 * 86_400
APPROVALS_MAX = 100
RATES_MAX = 32
# Members that a request to pay may leave out.
OPTIONAL = frozenset({"rates"})


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and the facts that it stands on: what is counted later is what was judged."""

    verdict: Verdict
    facts: Facts


def check_epoch(house: House, store_epoch: int) -> None:
    """Refuse what was signed before the journal's present epoch."""
    epoch = house.journal.epoch
    require(
        store_epoch == epoch,
        "epoch_stale",
        f"the intent binds store epoch {store_epoch}, now is {epoch}: people sign a new one",
    )


def check_length(house: House, valid_until: int) -> None:
    """Refuse an intent for ever."""
    require(
        valid_until <= house.clock.now() + INTENT_SECONDS_MAX,
        "intent_too_long",
        f"an intent may be valid for {INTENT_SECONDS_MAX // 86_400} days at most",
    )


def read_rates(members: Members, organisation: Organisation) -> tuple[RateStatement, ...]:
    """What the policy's sources signed, if anything is shown. Raises RateRefused, FieldInvalid."""
    if "rates" not in members:
        return ()
    shown = members.list("rates", signed_document, maximum=RATES_MAX)
    rates = organisation.bundle.rates
    return tuple(open_rate(rates, document, signature) for document, signature in shown)


def judge(
    house: House,
    organisation: Organisation,
    intent: Withdrawal,
    approved: Approved,
    rates: tuple[RateStatement, ...],
    wallet: Address | None = None,
) -> Judged:
    """The policy's verdict; `wallet` is the spending key that pays, None = the vault."""
    check_length(house, intent.valid_until)
    if approved.initiator is None:
        raise Refused("initiator_unknown", "a payment needs the initiator's signature")
    _check_cooled(house, organisation, intent.to)
    asset, ref, now = asset_of(organisation, intent), organisation.ref, house.clock.now()
    bundle = organisation.people_now
    facts = Facts(
        initiator=approved.initiator.id,
        asset=asset,
        units=intent.units,
        destination=intent.to,
        now=now,
        spent_units=spent_units(house, ref, asset),
        approvers=approved.approver_ids(),
        wallet=wallet,
        wallet_spent_units=spent_units(house, ref, float_counter(asset, wallet)) if wallet else 0,
        vault=organisation.vault,
        value_units=value_units(bundle.rates, rates, asset, intent.units, now),
        history=Journalled(house, organisation),
    )
    return Judged(evaluate(bundle, facts), facts)


def require_allowed(verdict: Verdict) -> None:
    """Refuse with the verdict's own sentence."""
    require(verdict.kind != "denied", "policy_denied", verdict.sentence)
    require(verdict.kind == "allowed", "approvals_missing", verdict.sentence)


def count_payment(
    house: House, request_id: bytes, organisation: Organisation, facts: Facts
) -> None:
    """Inside a unit: it counts on the organisation's limit and on its wallet's own float, and for
    the rules that ask for what was paid before.
    """
    wallet = facts.wallet or organisation.vault
    paid = Paid(facts.initiator, wallet, facts.destination, facts.value_units)
    count_spend(house, request_id, organisation.ref, facts.asset, facts.units, paid)
    if facts.wallet is not None:
        counter = float_counter(facts.asset, facts.wallet)
        count_spend(house, request_id, organisation.ref, counter, facts.units)


def asset_of(organisation: Organisation, intent: Withdrawal) -> str:
    """The asset's code; raises Refused."""
    contract = None if intent.token == ZERO else intent.token
    token = organisation.bundle.token_of(contract)
    if token is None:
        raise Refused("token_unknown", "the token is not in the signed policy")
    return token.asset.code


def cleared(
    house: House, organisation: Organisation, order_id: bytes, subject: Address, shown: Any
) -> Clearance:
    """The screener's clearance of this very subject for this very order."""
    require(
        shown is not None,
        "clearance_missing",
        "no payment leaves without a screening clearance of its destination",
    )
    clearance = read_clearance(house, organisation, shown, "clearance")
    require(
        (clearance.direction, clearance.subject, clearance.intent) == ("out", subject, order_id),
        "clearance_differs",
        "the clearance is for another destination or another intent",
    )
    return clearance


def dry_answer(organisation: Organisation, verdict: Verdict, **more: Any) -> Plan:
    """What would be answered, with no journal entry and no key use."""
    return {
        "verdict": verdict.kind,
        "rule_id": verdict.rule_id,
        "sentence": verdict.sentence,
        "missing": [need.sentence() for need in verdict.missing],
        "policy_version": organisation.bundle.version,
        **more,
    }


def _check_cooled(house: House, organisation: Organisation, to: Address) -> None:
    """A destination that is not in the book is the policy's to deny."""
    query = "SELECT founding, at FROM first_seen WHERE organisation = ? AND address = ?"
    row = house.journal.remembered(
        ("first_seen", organisation.ref, to), lambda: house.journal.one(query, organisation.ref, to)
    )
    if row is None or row[0]:
        return
    usable_from = int(row[1]) + house.config.cooling_seconds
    require(
        house.clock.now() >= usable_from,
        "destination_cooling",
        f"this destination was first seen lately and may be paid from {usable_from} (Unix time)",
    )

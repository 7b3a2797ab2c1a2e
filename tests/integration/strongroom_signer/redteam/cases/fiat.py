"""Forged bank files: the list of payees is what people signed, or there is no permit."""

from dataclasses import replace
from typing import Any

from strongroom_protocol.addresses import checksum
from tests.integration.strongroom_signer.people import CHAIN_ID, STRANGE, Key
from tests.integration.strongroom_signer.redteam.stage import Attack, Body, Scene, ask, attack
from tests.integration.strongroom_signer.test_fiat import ANN, LIST, ask_fiat, banked, order

FORGER = Key.named("forger")


def forged(it: Scene, *rows: Body) -> Attack:
    """What people signed, with another list behind it."""
    it.company = banked(it.desk)
    intent = order(it.company)
    return ask("fiat_order", ask_fiat(it.company, intent) | {"instructions": list(rows)})


def ordered(it: Scene, rows: Any = LIST, **changes: Any) -> Attack:
    """An order that people signed, otherwise."""
    it.company = banked(it.desk)
    intent = order(it.company, rows, **changes)
    return ask("fiat_order", ask_fiat(it.company, intent, rows))


def asked(it: Scene, **changes: Any) -> Attack:
    """An honest order's request, otherwise."""
    it.company = banked(it.desk)
    return ask("fiat_order", ask_fiat(it.company, order(it.company), **changes))


@attack("fiat_content_differs")
def payees_account_swapped(it: Scene) -> Attack:
    """The bank file carries the attacker's account behind the payee's name."""
    return forged(it, LIST[0] | {"account": "GB33BUKB20201555555555"}, LIST[1])


@attack("fiat_content_differs")
def payees_name_swapped(it: Scene) -> Attack:
    """The bank file carries another name before the same account."""
    return forged(it, LIST[0] | {"beneficiary": "Bo"}, LIST[1])


@attack("fiat_content_differs")
def units_moved_between_payees(it: Scene) -> Attack:
    """The same total, shared out otherwise."""
    return forged(it, LIST[0] | {"units": "6500"}, LIST[1] | {"units": "1000"})


@attack("fiat_content_differs")
def lines_in_another_order(it: Scene) -> Attack:
    """The same lines in another order, which is another file."""
    return forged(it, *reversed(LIST))


@attack("fiat_total_differs")
def one_line_with_more_units(it: Scene) -> Attack:
    """One line asks for more than was signed."""
    return forged(it, LIST[0] | {"units": "7001"}, LIST[1])


@attack("fiat_count_differs")
def one_line_more(it: Scene) -> Attack:
    """A line appended behind those that people saw."""
    return forged(it, *LIST, ANN | {"units": "1", "reference": "tip"})


@attack("fiat_count_differs")
def one_line_fewer(it: Scene) -> Attack:
    """A payee left out."""
    return forged(it, LIST[0])


@attack("protocol_field_invalid")
def line_that_takes_money_back(it: Scene) -> Attack:
    """A line of negative units, so that another may be larger."""
    return forged(it, LIST[0] | {"units": "-1"}, LIST[1])


@attack("protocol_field_invalid")
def name_with_a_line_break(it: Scene) -> Attack:
    """A name that would begin a new record in the bank's format."""
    return forged(it, LIST[0] | {"beneficiary": "Ann\nEve;GB33"}, LIST[1])


@attack("policy_denied")
def payee_outside_the_policy(it: Scene) -> Attack:
    """Everybody approved a payee that the source's policy does not name."""
    return ordered(it, [LIST[0] | {"beneficiary": "Eve"}])


@attack("policy_denied")
def order_by_another_rail(it: Scene) -> Attack:
    """The bank's source asked to pay by cards."""
    it.company = banked(it.desk, rail="card_refund")
    return ask("fiat_order", ask_fiat(it.company, order(it.company)))


@attack("policy_denied")
def order_above_its_limit(it: Scene) -> Attack:
    """One order above what one may be."""
    return ordered(it, [LIST[0] | {"units": "10001"}])


@attack("policy_denied")
def orders_above_a_days_limit(it: Scene) -> Attack:
    """Three orders below the limit of one, together above that of a day."""
    it.company = banked(it.desk)
    for _ in range(2):
        it.get("fiat_order", ask_fiat(it.company, order(it.company)))
    return ask("fiat_order", ask_fiat(it.company, order(it.company)))


@attack("source_unknown")
def source_outside_the_policy(it: Scene) -> Attack:
    """An account of the house that is not this organisation's."""
    return ordered(it, source="bank:reserves")


@attack("approvals_missing")
def order_with_one_approval_of_two(it: Scene) -> Attack:
    """One of two has approved."""
    it.company = banked(it.desk)
    keys = it.company.approvers[:1]
    return ask("fiat_order", ask_fiat(it.company, order(it.company), approvers=keys))


@attack("evidence_approved_twice")
def order_with_one_approver_twice(it: Scene) -> Attack:
    """One approver, twice."""
    it.company = banked(it.desk)
    keys = [it.company.approvers[0]] * 2
    return ask("fiat_order", ask_fiat(it.company, order(it.company), approvers=keys))


@attack("evidence_approver_unknown")
def order_approved_by_its_initiator(it: Scene) -> Attack:
    """The initiator gives the second approval."""
    it.company = banked(it.desk)
    keys = [it.company.approvers[0], it.company.initiator]
    return ask("fiat_order", ask_fiat(it.company, order(it.company), approvers=keys))


@attack("evidence_initiator_unknown")
def order_by_a_forged_initiator(it: Scene) -> Attack:
    """A stolen API orders in the initiator's name."""
    it.company = banked(it.desk)
    intent = order(it.company)
    signature = FORGER.sign(intent.digest(CHAIN_ID))
    return ask("fiat_order", ask_fiat(it.company, intent, initiator_signature=signature))


@attack("evidence_initiator_unknown")
def permitted_order_under_another_reference(it: Scene) -> Attack:
    """An order that has its permit, again with another reference."""
    it.company = banked(it.desk)
    intent = order(it.company)
    body = ask_fiat(it.company, intent)
    it.get("fiat_order", body)
    return ask("fiat_order", body | {"intent": replace(intent, reference="again").fields()})


@attack("evidence_organisation")
def another_organisations_order(it: Scene) -> Attack:
    """The attacker's organisation shows the victim's signed order as its own."""
    victim = banked(it.desk)
    body = ask_fiat(victim, order(victim))
    it.company = banked(it.desk)
    return ask("fiat_order", body | {"organisation": it.company.reference})


@attack("epoch_stale")
def order_of_another_epoch(it: Scene) -> Attack:
    """An order from before the journal was lost."""
    return ordered(it, store_epoch=2)


@attack("evidence_expired")
def order_after_its_end(it: Scene) -> Attack:
    """A fully approved order kept back until it has expired."""
    it.company = banked(it.desk)
    body = ask_fiat(it.company, order(it.company, valid_until=it.company.now + 60))
    it.wait(61)
    return ask("fiat_order", body)


@attack("clearance_missing")
def order_without_screening(it: Scene) -> Attack:
    """Nobody screened the payees."""
    return asked(it, clearance=None)


@attack("clearance_differs")
def clearance_of_other_payees(it: Scene) -> Attack:
    """A clearance of another list of payees."""
    return asked(it, cleared={"subject": checksum(STRANGE)})

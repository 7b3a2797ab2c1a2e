"""Several payments in one Safe transaction: what hides among them, is repeated, or is in excess."""

from typing import Any

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.intents import Withdrawal
from tests.integration.strongroom_signer.people import STRANGE, Company, screened
from tests.integration.strongroom_signer.redteam.stage import Attack, Scene, ask, attack, permit

Body = dict[str, Any]
GUARD = Address(b"\x6a" * 20)


def honest(it: Scene, *changes: Body, company: Company | None = None) -> Body:
    """A batch of two payments, or of one for each of these changes, that everybody signed."""
    company = company or it.company
    vault = it.desk.vault(company)
    intents = [company.intent(vault, **one) for one in changes or ({}, {"units": 7})]
    return company.batch(intents, 0, it.desk.house.deployment.multi_send)


def batched(body: Body, *payments: Body, **changes: Any) -> Attack:
    """The batch with other payments in it, or other members."""
    return ask("vault_batch", body | ({"payments": [*payments]} if payments else {}) | changes)


@attack("evidence_approver_unknown")
def payment_left_out(it: Scene) -> Attack:
    """Three payments were approved, two of them are asked for."""
    body = honest(it, {}, {"units": 7}, {"units": 8})
    return batched(body, *body["payments"][:2])


@attack("evidence_approver_unknown")
def payments_in_another_order(it: Scene) -> Attack:
    """The payments that people signed, the other way round."""
    body = honest(it)
    return batched(body, *reversed(body["payments"]))


@attack("evidence_approver_unknown")
def payment_slipped_in(it: Scene) -> Attack:
    """A payment that was approved elsewhere, among those of the batch."""
    body, other = honest(it), honest(it, {"units": 9}, {"units": 10})
    return batched(body, *body["payments"], other["payments"][0])


@attack("approvals_missing")
def unapproved_among_approved(it: Scene) -> Attack:
    """One of the payments has the word of nobody but its initiator."""
    body = honest(it)
    first, second = body["payments"]
    return batched(body, first, second | {"approvals": []})


@attack("evidence_payment_unsigned")
def approvals_of_the_payment_beside_it(it: Scene) -> Attack:
    """The approvals of one payment shown for the other: the Safe transaction is the same."""
    body = honest(it)
    first, second = body["payments"]
    return batched(body, first, second | {"approvals": first["approvals"]})


@attack("evidence_initiator_unknown")
def order_of_nobody_among_orders(it: Scene) -> Attack:
    """The second order bears the first one's signature."""
    body = honest(it)
    first, second = body["payments"]
    signature = first["initiator_signature"]
    return batched(body, first, second | {"initiator_signature": signature})


@attack("intent_twice")
def intent_twice_in_a_batch(it: Scene) -> Attack:
    """One order paid twice by one transaction, which everybody signed."""
    intent = it.intent()
    return batched(it.company.batch([intent, intent], 0, it.desk.house.deployment.multi_send))


@attack("journal_conflict")
def paid_intent_in_a_batch(it: Scene) -> Attack:
    """An order that was permitted alone, once more in a batch."""
    intent, other = it.paid(), it.intent(units=7)
    return batched(it.company.batch([other, intent], 1, it.desk.house.deployment.multi_send))


@attack("request_differs")
def batched_intent_alone(it: Scene) -> Attack:
    """An order that was permitted in a batch, once more alone."""
    body = honest(it)
    it.get("vault_batch", body)
    intent = Withdrawal.from_fields(body["payments"][1]["intent"])
    return permit(it.company.payment(intent, 1))


@attack("journal_conflict")
def batched_intent_in_another_batch(it: Scene) -> Attack:
    """An order that was permitted in a batch, once more in another."""
    body = honest(it)
    it.get("vault_batch", body)
    intent = Withdrawal.from_fields(body["payments"][1]["intent"])
    intents = [intent, it.intent(units=9)]
    return batched(it.company.batch(intents, 1, it.desk.house.deployment.multi_send))


@attack("policy_denied")
def days_limit_by_a_sum(it: Scene) -> Attack:
    """Each payment is within the day's limit, together they are above it."""
    return batched(honest(it, {"units": 5_000_000}, {"units": 3_000_001}))


@attack("policy_denied")
def stranger_among_friends(it: Scene) -> Attack:
    """One of the destinations is not in the book."""
    return batched(honest(it, {}, {"to": STRANGE}))


@attack("clearance_missing")
def uncleared_among_cleared(it: Scene) -> Attack:
    """Screening was asked about one of the destinations only."""
    body = honest(it)
    first, second = body["payments"]
    return batched(body, first, second | {"clearance": None})


@attack("clearance_differs")
def clearance_of_the_payment_beside_it(it: Scene) -> Attack:
    """One clearance for two orders."""
    body = honest(it)
    first, second = body["payments"]
    return batched(body, first, second | {"clearance": first["clearance"]})


@attack("evidence_not_clear")
def hit_among_clear_ones(it: Scene) -> Attack:
    """Screening stopped one of the payments."""
    body = honest(it)
    first, second = body["payments"]
    hit = it.company.clearance(Withdrawal.from_fields(second["intent"]), verdict="HIT")
    return batched(body, first, second | {"clearance": screened(hit)})


@attack("wallet_differs")
def payment_of_another_vault(it: Scene) -> Attack:
    """A payment that another organisation's people signed for their own vault."""
    body, other = honest(it), honest(it, company=it.another())
    return batched(body, body["payments"][0], other["payments"][1])


@attack("evidence_expired")
def expired_among_valid(it: Scene) -> Attack:
    """The time of one of the orders is over."""
    body = honest(it, {}, {"valid_until": it.company.now + 10, "units": 7})
    it.wait(11)
    return batched(body)


@attack("safe_nonce_taken")
def batch_on_a_payments_nonce(it: Scene) -> Attack:
    """A batch under a nonce that a payment has."""
    it.paid()
    return batched(honest(it))


@attack("safe_nonce_taken")
def payment_on_a_batchs_nonce(it: Scene) -> Attack:
    """A payment under a nonce that a batch has."""
    it.get("vault_batch", honest(it))
    return permit(it.company.payment(it.intent(), 0))


@attack("intent_rejected")
def batch_on_a_rejected_nonce(it: Scene) -> Attack:
    """The owners rejected the nonce, and then the batch is asked for."""
    body = honest(it)
    intent = Withdrawal.from_fields(body["payments"][0]["intent"])
    it.get("vault_permit", it.company.rejection(intent, 0))
    return batched(body)


@attack("intent_rejected")
def rejected_intent_in_a_batch(it: Scene) -> Attack:
    """An order that its owners rejected, under another nonce beside an honest one."""
    rejected, other = it.intent(), it.intent(units=7)
    it.get("vault_permit", it.company.rejection(rejected, 0))
    return batched(it.company.batch([other, rejected], 1, it.desk.house.deployment.multi_send))


@attack("safe_nonce_taken")
def rejection_of_a_batch_by_a_strange_intent(it: Scene) -> Attack:
    """Owners who reject another order of their own are shown for a batch's nonce."""
    it.get("vault_batch", honest(it))
    return permit(it.company.rejection(it.intent(units=9), 0))


@attack("evidence_approver_unknown")
def batch_through_another_contract(it: Scene) -> Attack:
    """People were shown a batch by a contract of the attacker's."""
    intents = [it.intent(), it.intent(units=7)]
    return batched(it.company.batch(intents, 0, GUARD))


@attack("safe_refused")
def payment_to_the_batchs_own_contract(it: Scene) -> Attack:
    """A payment to the contract that makes the batch, which could hide a batch within it."""
    multi_send = it.desk.house.deployment.multi_send
    intents = [it.intent(), it.intent(token=ZERO, to=GUARD, units=1)]
    body = it.company.batch(intents, 0, multi_send)
    first, second = body["payments"]
    fields = it.intent(token=ZERO, to=multi_send, units=1).fields()
    return batched(body, first, second | {"intent": fields})


@attack("suspended")
def batch_of_a_suspended_organisation(it: Scene) -> Attack:
    """One administrator has stopped everything."""
    body = honest(it)
    it.get("suspend", it.company.suspension())
    return batched(body)

"""Spending keys: what a hot key, whose owner is a machine, is asked to pay."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from strongroom_protocol.addresses import ZERO, checksum
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.intents import Revoke
from strongroom_protocol.signatures import CURVE_ORDER
from tests.integration.strongroom_signer.people import CHAIN_ID, STRANGE, Company, Key
from tests.integration.strongroom_signer.redteam.stage import Attack, Body, Scene, ask, attack
from tests.integration.strongroom_signer.spending import (
    bump,
    cancelled,
    hot_address,
    hot_company,
    hot_intent,
    key_entry,
    spend,
)

FORGER = Key.named("forger")


def pay(body: Body, **changes: Any) -> Attack:
    """A spending_payment with members put in the place of the honest ones."""
    return ask("spending_payment", body | changes)


def hot(it: Scene, **changes: Any) -> Company:
    """The scene's organisation, founded with a hot key of one approver."""
    it.company = hot_company(it.desk, **changes)
    return it.company


def paid(it: Scene, **changes: Any) -> Body:
    """A payment that was signed already: its request."""
    company = hot(it)
    body = spend(company, hot_intent(company, **changes))
    it.get("spending_payment", body)
    return body


def shown_for(it: Scene, **changes: Any) -> Attack:
    """The initiator signed this, and the approvers another payment."""
    company = hot(it)
    meant = hot_intent(company)
    shown = replace(meant, **changes)
    return pay(spend(company, shown), approvals=spend(company, meant)["approvals"])


def doubled(it: Scene, change: Callable[[bytes], bytes]) -> Attack:
    """A key of two approvers; the second approval is the first in another encoding."""
    it.company = company = it.desk.company(founded=False)
    company.bundle |= {"spending": [key_entry(hot_address(company), threshold=2)]}
    it.get("policy_first", company.policy_first())
    body = spend(company, hot_intent(company))
    (first,) = body["approvals"]
    return pay(body, approvals=[first, to_hex(change(from_hex(first)))])


@attack("attempt_out_of_order")
def paid_intent_again_as_a_first_attempt_of_another_key(it: Scene) -> Attack:
    """A paid intent asked for as a later attempt, with a gap, to get another nonce."""
    return pay(bump(paid(it), 5))


@attack("evidence_initiator_unknown")
def paid_intent_again_under_another_reference(it: Scene) -> Attack:
    """The paid intent with another reference, and the signatures as they were."""
    body = paid(it)
    return pay(body, intent=body["intent"] | {"reference": "once more"})


@attack("cancelled")
def payment_after_its_cancellation(it: Scene) -> Attack:
    """A cancelled payment bumped back to life; a cancel never frees the intent."""
    body = paid(it)
    it.get("spending_payment", cancelled(body))
    return pay(bump(body, 2, 11))


@attack("evidence_approver_unknown")
def hot_approvals_for_another_amount(it: Scene) -> Attack:
    """Approvals of one payment shown for twice the units."""
    return shown_for(it, units=2_000_000)


@attack("evidence_approver_unknown")
def hot_approvals_for_another_destination(it: Scene) -> Attack:
    """Approvals of a payment to the shipper shown for one to the attacker."""
    return shown_for(it, to=STRANGE)


@attack("evidence_approver_unknown")
def hot_approvals_for_another_token(it: Scene) -> Attack:
    """Approvals of a token payment shown for native coin."""
    return shown_for(it, token=ZERO)


@attack("evidence_approver_unknown")
def hot_approvals_for_another_fee(it: Scene) -> Attack:
    """Approvals with a small fee shown for one whose fee is a fortune."""
    return shown_for(it, max_fee_wei=10**18)


@attack("evidence_approver_unknown")
def vault_approvals_for_a_hot_key(it: Scene) -> Attack:
    """What owners signed for the vault's Safe, shown as approvals of a hot payment."""
    company = hot(it)
    intent = hot_intent(company)
    vault = company.approval(company.approvers[0], intent, 0)
    return pay(spend(company, intent), approvals=[vault["safe_tx_signature"]])


@attack("wallet_differs")
def hot_intent_for_the_vaults_permit(it: Scene) -> Attack:
    """A payment meant for the hot key, with one approver, shown to the vault."""
    company = hot(it)
    return ask("vault_permit", company.payment(hot_intent(company), 0))


@attack("epoch_stale")
def hot_payment_of_another_epoch(it: Scene) -> Attack:
    """A payment that was approved before the journal was lost."""
    company = hot(it)
    return pay(spend(company, hot_intent(company, store_epoch=2)))


@attack("evidence_initiator_unknown")
def hot_payment_of_another_chain(it: Scene) -> Attack:
    """The same people's signatures over the same payment on a test network."""
    company = hot(it)
    intent = hot_intent(company)
    digest = intent.digest(CHAIN_ID + 1)
    approvals = [company.approvers[0].sign(digest)]
    signature = company.initiator.sign(digest)
    return pay(spend(company, intent), initiator_signature=signature, approvals=approvals)


@attack("signature_invalid")
def hot_approver_twice_by_high_s(it: Scene) -> Attack:
    """One approver of two, twice: with s in the upper half."""
    return doubled(it, lambda s: s[:32] + (
        CURVE_ORDER - int.from_bytes(s[32:64], "big")
    ).to_bytes(32, "big") + bytes([55 - s[64]]))  # fmt: skip


@attack("protocol_field_invalid")
def hot_approver_twice_by_eip_2098(it: Scene) -> Attack:
    """One approver of two, twice: in 64 bytes."""
    return doubled(it, lambda s: s[:32] + bytes([s[32] | (s[64] - 27) << 7]) + s[33:64])


@attack("signature_invalid")
def hot_approver_twice_by_v_of_0_or_1(it: Scene) -> Attack:
    """One approver of two, twice: with v of 0 or 1."""
    return doubled(it, lambda s: s[:64] + bytes([s[64] - 27]))


@attack("evidence_approved_twice")
def hot_approver_twice_in_the_same_encoding(it: Scene) -> Attack:
    """One approver of two, twice."""
    return doubled(it, bytes)


@attack("evidence_approver_is_initiator")
def initiators_own_signature_as_the_approval(it: Scene) -> Attack:
    """Initiator and approver sign the same digest: the order's signature shown as approval."""
    it.company = company = it.desk.company(founded=False)
    person = next(one for one in company.bundle["people"] if one["id"] == "p0")
    person["roles"] = ["approver", "initiator"]
    company.bundle |= {"spending": [key_entry(hot_address(company))]}
    it.get("policy_first", company.policy_first())
    intent = hot_intent(company)
    signature = company.approvers[0].sign(intent.digest(CHAIN_ID))
    body = spend(company, intent)
    return pay(body, initiator_signature=signature, approvals=[signature])


@attack("approvals_missing")
def initiator_alone(it: Scene) -> Attack:
    """The database says that somebody approved."""
    company = hot(it)
    return pay(spend(company, hot_intent(company), []))


@attack("evidence_approver_unknown")
def hot_approval_by_the_attacker(it: Scene) -> Attack:
    """The approver's key was swapped in the database."""
    company = hot(it)
    return pay(spend(company, hot_intent(company), [FORGER]))


@attack("evidence_initiator_unknown")
def hot_payment_by_a_forged_initiator(it: Scene) -> Attack:
    """A stolen API orders in the initiator's name."""
    company = hot(it)
    intent = hot_intent(company)
    signature = FORGER.sign(intent.digest(CHAIN_ID))
    return pay(spend(company, intent), initiator_signature=signature)


@attack("evidence_approver_unknown")
def hot_payment_by_a_revoked_approver(it: Scene) -> Attack:
    """The only approver's key was revoked."""
    company = hot(it)
    key = company.approvers[0].address
    signature = company.administrators[0].sign(Revoke(company.ref, key).digest(CHAIN_ID))
    names = {"organisation": company.reference, "key": checksum(key)}
    it.get("revoke", names | {"signature": signature})
    return pay(spend(company, hot_intent(company)))

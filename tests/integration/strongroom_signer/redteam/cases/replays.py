"""An approved intent again, and approvals shown for something else."""

from dataclasses import replace
from typing import Any

from strongroom_protocol.addresses import ZERO, checksum
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import VaultPayment
from strongroom_protocol.safe import payment_safe_tx, safe_tx_hash
from tests.integration.strongroom_signer.people import CHAIN_ID, LATER, STRANGE
from tests.integration.strongroom_signer.redteam.stage import (
    Attack,
    Body,
    Scene,
    attack,
    permit,
    relay,
)
from tests.integration.strongroom_signer.test_relay import ask_for


def shown_for(it: Scene, **changes: Any) -> Body:
    """A payment that the initiator signed, with the approvals that were given for another."""
    meant = it.intent()
    shown = replace(meant, **changes)
    return it.company.payment(shown, 0) | {"approvals": it.company.payment(meant, 0)["approvals"]}


@attack("request_differs")
def approved_intent_again_under_another_nonce(it: Scene) -> Attack:
    """The same intent, approved anew by everybody, as a Safe transaction of the next nonce."""
    return permit(it.company.payment(it.paid(), 1, it.company.approvers))


@attack("evidence_initiator_unknown")
def approved_intent_again_under_another_id(it: Scene) -> Attack:
    """The same intent with another reference, hence another id; signatures stay."""
    body = it.company.payment(it.paid(), 1)
    return permit(body, intent=body["intent"] | {"reference": "once more"})


@attack("tried_too_often")
def permitted_payment_sent_again_and_again(it: Scene) -> Attack:
    """A permitted payment relayed under a fourth ref, to burn the house's gas on failing calls."""
    body = it.executed()
    for number in range(3):
        it.get("relay", body | {"ref": to_hex(keccak256(body["ref"].encode() + bytes([number])))})
    return relay(body, ref="0x" + "77" * 32)


@attack("evidence_approver_unknown")
def approvals_for_another_amount(it: Scene) -> Attack:
    """Approvals of one payment shown for twice the units."""
    return permit(shown_for(it, units=2_000_000))


@attack("evidence_approver_unknown")
def approvals_for_another_destination(it: Scene) -> Attack:
    """Approvals of a payment to the shipper shown for one to the attacker."""
    return permit(shown_for(it, to=STRANGE))


@attack("evidence_approver_unknown")
def approvals_for_another_token(it: Scene) -> Attack:
    """Approvals of a token payment shown for as many wei of the native coin."""
    return permit(shown_for(it, token=ZERO))


@attack("evidence_payment_unsigned")
def approvals_for_another_fee(it: Scene) -> Attack:
    """Approvals of a payment with a small fee shown for one whose fee is a fortune."""
    return permit(shown_for(it, max_fee_wei=10**18))


@attack("evidence_approver_unknown")
def approvals_for_another_vault(it: Scene) -> Attack:
    """Signatures that the same people gave over a vault of another organisation."""
    intent, other = it.intent(), it.another()
    foreign = other.intent(it.desk.vault(other))
    approvals = [it.company.approval(key, foreign, 0) for key in it.company.approvers[:2]]
    return permit(it.company.payment(intent, 0), approvals=approvals)


@attack("evidence_approver_unknown")
def approvals_for_another_chain(it: Scene) -> Attack:
    """Signatures over the same payment by the same vault, on a test network."""
    intent, chain = it.intent(), CHAIN_ID + 1
    safe_tx = payment_safe_tx(intent.token, intent.to, intent.units, 0)
    tx_hash = safe_tx_hash(chain, it.vault, safe_tx)
    twin = VaultPayment(intent.digest(chain), tx_hash, intent.to, intent.token, intent.units)
    approvals = [
        {"safe_tx_signature": key.sign(tx_hash), "payment_signature": key.sign(twin.digest(chain))}
        for key in it.company.approvers[:2]
    ]
    return permit(it.company.payment(intent, 0), approvals=approvals)


@attack("evidence_initiator_unknown")
def initiator_of_another_chain(it: Scene) -> Attack:
    """The initiator's signature over the same order on a test network."""
    intent = it.intent()
    signature = it.company.initiator.sign(intent.digest(CHAIN_ID + 1))
    return permit(it.company.payment(intent, 0), initiator_signature=signature)


@attack("epoch_stale")
def approvals_of_another_epoch(it: Scene) -> Attack:
    """A payment that was approved before the journal was lost, shown to the epoch after it."""
    return permit(it.company.payment(it.intent(store_epoch=2), 0))


@attack("evidence_approver_unknown")
def approvals_for_another_nonce(it: Scene) -> Attack:
    """Approvals of nonce 0 shown for nonce 1, so that one approval pays twice."""
    intent = it.intent()
    old = it.company.payment(intent, 0)["approvals"]
    return permit(it.company.payment(intent, 1), approvals=old)


@attack("safe_nonce_taken")
def second_payment_on_a_nonce(it: Scene) -> Attack:
    """Another approved payment under the Safe nonce of one that was permitted."""
    it.paid(0)
    return permit(it.company.payment(it.intent(), 0))


@attack("intent_rejected")
def payment_on_a_rejected_nonce(it: Scene) -> Attack:
    """A new payment under a nonce that its owners rejected."""
    it.get("vault_permit", it.company.rejection(it.intent(), 0))
    return permit(it.company.payment(it.intent(), 0))


@attack("intent_rejected")
def rejected_intent_on_another_nonce(it: Scene) -> Attack:
    """An intent that its owners rejected, paid under the next nonce."""
    intent = it.intent()
    it.get("vault_permit", it.company.rejection(intent, 0))
    return permit(it.company.payment(intent, 1))


@attack("evidence_approver_unknown")
def payment_approvals_shown_as_a_rejection(it: Scene) -> Attack:
    """Approvals of a payment shown as the rejection of its nonce, to kill it."""
    body = it.company.payment(it.intent(), 0)
    return permit(body, kind="rejection", clearance=None)


@attack("protocol_field_invalid")
def far_safe_nonce(it: Scene) -> Attack:
    """A Safe nonce beyond what any reader counts alike."""
    return permit(it.company.payment(it.intent(), 0), safe_nonce=2**53)


@attack("protocol_field_invalid")
def negative_safe_nonce(it: Scene) -> Attack:
    """A Safe nonce below zero."""
    return permit(it.company.payment(it.intent(), 0), safe_nonce=-1)


@attack("wallet_differs")
def swapped_vault_address(it: Scene) -> Attack:
    """The database names another organisation's vault as this one's."""
    return permit(it.company.payment(it.intent(wallet=it.desk.vault(it.another())), 0))


@attack("evidence_organisation")
def another_organisations_intent(it: Scene) -> Attack:
    """An intent of the attacker's own organisation, naming the victim's vault."""
    intent = it.intent(organisation=it.another().ref)
    return permit(it.company.payment(intent, 0))


@attack("policy_denied")
def destination_outside_the_signed_book(it: Scene) -> Attack:
    """Everybody approved, but the destination stands in the database's book alone."""
    return permit(it.company.payment(it.intent(to=STRANGE), 0))


@attack("destination_cooling")
def destination_added_a_moment_ago(it: Scene) -> Attack:
    """A destination that came with the newest policy, paid before it has cooled."""
    entry = {"address": checksum(LATER), "label": "later"}
    it.update(address_book=[*it.company.bundle["address_book"], entry])
    it.wait(3600)
    return permit(it.company.payment(it.intent(to=LATER), 0))


@attack("policy_denied")
def more_than_a_day_may_cost(it: Scene) -> Attack:
    """Two payments below the limit of one, together above the limit of a day."""
    it.paid(0, units=5_000_000)
    return permit(it.company.payment(it.intent(units=5_000_000), 1))


@attack("safe_tx_unknown")
def another_organisations_payment_relayed_as_mine(it: Scene) -> Attack:
    """A Safe transaction that another vault's owners approved, asked for under this vault."""
    theirs = Scene(it.desk, it.another()).executed()
    return relay(ask_for(it.company, "vault_execution"), **{
        name: theirs[name] for name in ("safe_tx_hash", "signatures")
    })  # fmt: skip

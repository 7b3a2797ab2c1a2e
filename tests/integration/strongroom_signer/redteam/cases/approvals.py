"""Forged, doubled and borrowed signatures of people."""

from collections.abc import Callable

from strongroom_protocol.addresses import checksum
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.intents import Revoke
from strongroom_protocol.signatures import CURVE_ORDER
from tests.integration.strongroom_signer.people import CHAIN_ID, Key
from tests.integration.strongroom_signer.redteam.stage import Attack, Scene, ask, attack, permit

FORGER = Key.named("forger")


def reencoded(it: Scene, change: Callable[[bytes], bytes]) -> Attack:
    """One approver's two signatures twice: as given, and in another encoding of the same."""
    body = it.company.payment(it.intent(), 0)
    first = body["approvals"][0]
    again = {name: to_hex(change(from_hex(text))) for name, text in first.items()}
    return permit(body, approvals=[first, again])


@attack("signature_invalid")
def one_approver_twice_by_high_s(it: Scene) -> Attack:
    """The second approval is the first with s in the upper half and v turned."""
    return reencoded(it, lambda s: s[:32] + (
        CURVE_ORDER - int.from_bytes(s[32:64], "big")
    ).to_bytes(32, "big") + bytes([55 - s[64]]))  # fmt: skip


@attack("signature_invalid")
def one_approver_twice_by_high_s_with_the_same_v(it: Scene) -> Attack:
    """The second approval is the first with s in the upper half."""
    return reencoded(it, lambda s: s[:32] + (
        CURVE_ORDER - int.from_bytes(s[32:64], "big")
    ).to_bytes(32, "big") + s[64:])  # fmt: skip


@attack("protocol_field_invalid")
def one_approver_twice_by_eip_2098(it: Scene) -> Attack:
    """The second approval is the first in 64 bytes, with v in the top bit of s (EIP-2098)."""
    return reencoded(it, lambda s: s[:32] + bytes([s[32] | (s[64] - 27) << 7]) + s[33:64])


@attack("signature_invalid")
def one_approver_twice_by_v_of_0_or_1(it: Scene) -> Attack:
    """The second approval is the first with v of 0 or 1 instead of 27 or 28."""
    return reencoded(it, lambda s: s[:64] + bytes([s[64] - 27]))


@attack("signature_invalid")
def one_approver_twice_by_v_of_a_chain(it: Scene) -> Attack:
    """The second approval is the first with v as EIP-155 writes it, cut to a byte."""
    return reencoded(it, lambda s: s[:64] + bytes([(CHAIN_ID * 2 + 8 + s[64]) & 0xFF]))


@attack("protocol_field_invalid")
def one_approver_twice_by_trailing_bytes(it: Scene) -> Attack:
    """The second approval is the first with a byte behind it."""
    return reencoded(it, lambda s: s + b"\x00")


@attack("evidence_approved_twice")
def one_approver_twice_in_the_same_encoding(it: Scene) -> Attack:
    """The same approval listed twice."""
    return reencoded(it, bytes)


@attack("approvals_missing")
def one_approval_of_two(it: Scene) -> Attack:
    """The database says two have approved; one has."""
    return permit(it.company.payment(it.intent(), 0, it.company.approvers[:1]))


@attack("evidence_approver_unknown")
def approvals_by_the_attackers_key(it: Scene) -> Attack:
    """The second approver's key was swapped in the database for the attacker's."""
    return permit(it.company.payment(it.intent(), 0, [it.company.approvers[0], FORGER]))


@attack("evidence_approver_unknown")
def approvals_by_administrators(it: Scene) -> Attack:
    """Administrators, who may decide the policy, approve a payment."""
    return permit(it.company.payment(it.intent(), 0, it.company.administrators))


@attack("evidence_approver_unknown")
def initiator_as_approver(it: Scene) -> Attack:
    """The one who ordered the payment gives the second approval."""
    keys = [it.company.approvers[0], it.company.initiator]
    return permit(it.company.payment(it.intent(), 0, keys))


@attack("evidence_approver_is_initiator")
def approver_who_may_also_initiate(it: Scene) -> Attack:
    """A person with both roles orders a payment and gives one of its two approvals."""
    company = it.company = it.desk.company(founded=False)
    both = next(one for one in company.bundle["people"] if one["id"] == "p0")
    both["roles"] = ["approver", "initiator"]
    it.get("policy_first", company.policy_first())
    intent = it.intent()
    signature = company.approvers[0].sign(intent.digest(CHAIN_ID))
    return permit(company.payment(intent, 0), initiator_signature=signature)


@attack("evidence_initiator_unknown")
def forged_initiator(it: Scene) -> Attack:
    """A stolen API orders a payment in the initiator's name; an API login is no evidence."""
    intent = it.intent()
    return permit(
        it.company.payment(intent, 0), initiator_signature=FORGER.sign(intent.digest(CHAIN_ID))
    )


@attack("evidence_initiator_unknown")
def approver_as_initiator(it: Scene) -> Attack:
    """An approver who may not order payments orders one."""
    intent, third = it.intent(), it.company.approvers[2]
    return permit(
        it.company.payment(intent, 0), initiator_signature=third.sign(intent.digest(CHAIN_ID))
    )


@attack("evidence_payment_unsigned")
def approval_without_its_readable_twin(it: Scene) -> Attack:
    """Approvers were shown a bare hash: the readable payment is not signed."""
    body = it.company.payment(it.intent(), 0)
    blind = [one | {"payment_signature": None} for one in body["approvals"]]
    return permit(body, approvals=blind)


@attack("evidence_payment_unsigned")
def readable_twin_signed_by_somebody_else(it: Scene) -> Attack:
    """Each approver's readable payment carries the other approver's signature."""
    body = it.company.payment(it.intent(), 0)
    one, two = (approval["payment_signature"] for approval in body["approvals"])
    return permit(body, approvals=[
        body["approvals"][0] | {"payment_signature": two},
        body["approvals"][1] | {"payment_signature": one},
    ])  # fmt: skip


@attack("evidence_expired")
def approvals_after_the_intents_end(it: Scene) -> Attack:
    """A fully approved payment kept back until the intent has expired."""
    body = it.company.payment(it.intent(valid_until=it.company.now + 60), 0)
    it.wait(61)
    return permit(body)


@attack("intent_too_long")
def approvals_to_keep_for_a_year(it: Scene) -> Attack:
    """An intent that is valid for a year, to be used when nobody remembers it."""
    return permit(it.company.payment(it.intent(valid_until=it.company.now + 365 * 86_400), 0))


@attack("evidence_approver_unknown")
def removed_person_by_revocation(it: Scene) -> Attack:
    """An approver whose key one administrator has revoked approves."""
    key, administrator = it.company.approvers[1].address, it.company.administrators[0]
    signature = administrator.sign(Revoke(it.company.ref, key).digest(CHAIN_ID))
    names = {"organisation": it.company.reference, "key": checksum(key)}
    it.get("revoke", names | {"signature": signature})
    return permit(it.company.payment(it.intent(), 0))


@attack("evidence_approver_unknown")
def removed_person_by_policy(it: Scene) -> Attack:
    """An approver whom the newest policy no longer names approves."""
    it.update(people=[one for one in it.company.bundle["people"] if one["id"] != "p1"])
    return permit(it.company.payment(it.intent(), 0))


@attack("not_administrator")
def suspension_by_an_approver(it: Scene) -> Attack:
    """Somebody who is no administrator stops an organisation."""
    return ask("suspend", it.company.suspension(it.company.approvers[0]))


@attack("suspension_differs")
def suspension_of_a_policy_that_is_over(it: Scene) -> Attack:
    """An administrator's old word, kept, against a policy that the quorum has signed since."""
    kept = it.company.suspension()
    it.get("suspend", kept)
    it.update(valid_until=it.company.bundle["valid_until"] - 1)
    return ask("suspend", kept)


@attack("suspension_differs")
def suspension_of_policies_to_come(it: Scene) -> Attack:
    """One administrator alone stops an organisation for ever."""
    return ask("suspend", it.company.suspension(version=2**40))


@attack("not_administrator")
def revocation_meant_for_another_key(it: Scene) -> Attack:
    """An administrator's Revoke of one key, shown for another."""
    administrator = it.company.administrators[0]
    meant = Revoke(it.company.ref, it.company.approvers[0].address)
    other = checksum(it.company.approvers[1].address)
    body = {"organisation": it.company.reference, "key": other}
    return ask("revoke", body | {"signature": administrator.sign(meant.digest(CHAIN_ID))})


@attack("suspended")
def payment_of_a_suspended_organisation(it: Scene) -> Attack:
    """A fully approved payment after one administrator said stop."""
    it.get("suspend", it.company.suspension(it.company.administrators[1]))
    return permit(it.company.payment(it.intent(), 0))

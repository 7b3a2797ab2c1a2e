"""P1: a Permit is issued for what the people signed, and for nothing else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import Revoke, Withdrawal
from strongroom_protocol.permit import Permit
from strongroom_protocol.signatures import CURVE_ORDER, Signature, recover
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import (
    CHAIN_ID,
    DAY,
    LATER,
    SHIPPER,
    STRANGE,
    Company,
    Key,
    screened,
)

Body = dict[str, Any]


def test_payment_approved_by_two_of_three_gets_a_permit_of_the_permit_key(desk: Desk) -> None:
    company = desk.company()
    vault = desk.vault(company)
    answer = desk.get("vault_permit", company.payment(company.intent(vault), 0))
    permit = Permit(
        vault, from_hex(answer["safe_tx_hash"]), answer["policy_version"], answer["valid_until"]
    )
    digest = permit.digest(CHAIN_ID, desk.house.deployment.guard)
    signer = recover(digest, Signature.parse(from_hex(answer["permit_signature"])))
    assert signer == desk.house.config.keys.permit
    assert answer["valid_until"] <= company.now + DAY


def test_a_retry_gets_the_stored_permit_and_counts_once(desk: Desk) -> None:
    company = desk.company()
    body = company.payment(company.intent(desk.vault(company), units=4_000_000), 0)
    first = desk.get("vault_permit", body)
    entries = desk.counts()
    other_approvers = company.payment(Withdrawal.from_fields(body["intent"]), 0, company.approvers)
    assert desk.get("vault_permit", body) == first
    assert desk.get("vault_permit", other_approvers) == first
    assert desk.counts() == entries


def test_owners_reject_a_nonce_even_after_the_intent_has_expired(desk: Desk) -> None:
    company = desk.company()
    intent = company.intent(desk.vault(company), valid_until=company.now + 10)
    desk.clock.advance(60)
    answer = desk.get("vault_permit", company.rejection(intent, 0))
    assert answer["permit_signature"]


def test_dry_run_tells_the_verdict_and_leaves_no_entry(desk: Desk) -> None:
    company = desk.company()
    vault = desk.vault(company)
    size, entries = desk.house.journal.size, desk.counts()
    waiting = company.payment(company.intent(vault), 0, company.approvers[:1])
    dry = {"dry_run": True, "clearance": None}
    assert desk.get("vault_permit", waiting | dry)["verdict"] == "awaiting_approvals"
    allowed = company.payment(company.intent(vault), 0)
    assert desk.get("vault_permit", allowed | dry)["verdict"] == "allowed"
    denied = company.payment(company.intent(vault, to=STRANGE), 0)
    answer = desk.get("vault_permit", denied | dry)
    assert answer["verdict"] == "denied"
    assert "address book" in answer["sentence"]
    assert (desk.house.journal.size, desk.counts()) == (size, entries)


def _resign(body: Body, place: str, change: Callable[[bytes], bytes]) -> Body:
    approval = dict(body["approvals"][0])
    approval[place] = to_hex(change(from_hex(approval[place])))
    return body | {"approvals": [approval, body["approvals"][1]]}


def _high_s(signature: bytes) -> bytes:
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


def _intent(c: Company, v: Address, **changes: Any) -> Body:
    return c.payment(c.intent(v, **changes), 0)


def _clear(c: Company, v: Address, **changes: Any) -> Body:
    intent = c.intent(v)
    return c.payment(intent, 0) | {"clearance": screened(c.clearance(intent, **changes))}


def _approvals_over(c: Company, v: Address, **changes: Any) -> Body:
    """Approvals given for one payment, shown for another."""
    meant = c.intent(v)
    shown = replace(meant, **changes)
    return c.payment(shown, 0) | {"approvals": c.payment(meant, 0)["approvals"]}


def _signed_by(c: Company, v: Address, key: Key) -> Body:
    intent = c.intent(v)
    return c.payment(intent, 0) | {"initiator_signature": key.sign(intent.digest(CHAIN_ID))}


STRANGER = Key.named("stranger")
FORGER = Ed25519PrivateKey.from_private_bytes(keccak256(b"forger"))
REFUSALS: dict[str, tuple[Callable[[Company, Address], Body], str]] = {
    "one approval of two": (
        lambda c, v: c.payment(c.intent(v), 0, c.approvers[:1]), "approvals_missing"),
    "an approval by a stranger": (
        lambda c, v: c.payment(c.intent(v), 0, [c.approvers[0], STRANGER]),
        "evidence_approver_unknown"),
    "an approval by the initiator": (
        lambda c, v: c.payment(c.intent(v), 0, [c.approvers[0], c.initiator]),
        "evidence_approver_unknown"),
    "one person twice": (
        lambda c, v: c.payment(c.intent(v), 0, [c.approvers[0]] * 2), "evidence_approved_twice"),
    "approvals of another amount": (
        lambda c, v: _approvals_over(c, v, units=2_000_000), "evidence_approver_unknown"),
    "approvals of another reference": (
        lambda c, v: _approvals_over(c, v, reference="another"), "evidence_payment_unsigned"),
    "no readable twin": (
        lambda c, v: (b := _intent(c, v)) | {"approvals": [
            a | {"payment_signature": None} for a in b["approvals"]]},
        "evidence_payment_unsigned"),
    "a high-s signature": (
        lambda c, v: _resign(_intent(c, v), "safe_tx_signature", _high_s), "signature_invalid"),
    "v of 0 or 1": (
        lambda c, v: _resign(_intent(c, v), "safe_tx_signature",
                             lambda s: s[:64] + bytes([s[64] - 27])), "signature_invalid"),
    "a 64-byte signature (EIP-2098)": (
        lambda c, v: _resign(_intent(c, v), "safe_tx_signature", lambda s: s[:64]),
        "protocol_field_invalid"),
    "a forged initiator": (
        lambda c, v: _signed_by(c, v, STRANGER), "evidence_initiator_unknown"),
    "an approver as initiator": (
        lambda c, v: _signed_by(c, v, c.approvers[2]), "evidence_initiator_unknown"),
    "an expired intent": (lambda c, v: _intent(c, v, valid_until=c.now - 1), "evidence_expired"),
    "an intent for a year": (
        lambda c, v: _intent(c, v, valid_until=c.now + 365 * DAY), "intent_too_long"),
    "another policy version": (
        lambda c, v: _intent(c, v, policy_version=2), "evidence_policy_version"),
    "another epoch": (lambda c, v: _intent(c, v, store_epoch=2), "epoch_stale"),
    "another wallet": (lambda c, v: _intent(c, v, wallet=STRANGE), "wallet_differs"),
    "another organisation's intent": (
        lambda c, v: _intent(c, v, organisation=bytes(32)), "evidence_organisation"),
    "an unlisted token": (lambda c, v: _intent(c, v, token=STRANGE), "token_unknown"),
    "an unlisted destination": (lambda c, v: _intent(c, v, to=STRANGE), "policy_denied"),
    "more than one payment's limit": (
        lambda c, v: _intent(c, v, units=5_000_001), "policy_denied"),
    "no clearance": (lambda c, v: _intent(c, v) | {"clearance": None}, "clearance_missing"),
    "a clearance of another destination": (
        lambda c, v: _clear(c, v, subject=checksum(STRANGE)), "clearance_differs"),
    "a clearance of another intent": (
        lambda c, v: _clear(c, v, intent="0x" + "11" * 32), "clearance_differs"),
    "an expired clearance": (
        lambda c, v: _clear(c, v, valid_until=c.now - 1), "evidence_clearance_expired"),
    "a clearance from the future": (
        lambda c, v: _clear(c, v, screened_at=c.now + 60), "evidence_clearance_expired"),
    "a hit": (lambda c, v: _clear(c, v, verdict="HIT"), "evidence_not_clear"),
    "another organisation's clearance": (
        lambda c, v: _clear(c, v, organisation="00000000-0000-0000-0000-000000000000"),
        "evidence_clearance"),
    "a forged clearance": (
        lambda c, v: (b := _intent(c, v)) | {
            "clearance": screened(b["clearance"]["document"], FORGER)}, "evidence_clearance"),
    "an unknown member": (
        lambda c, v: _intent(c, v) | {"digest": "0x" + "00" * 32}, "protocol_field_invalid"),
    "a far safe nonce": (
        lambda c, v: _intent(c, v) | {"safe_nonce": 2**60}, "protocol_field_invalid"),
    "another organisation's name": (
        lambda c, v: _intent(c, v) | {"organisation": "0x" + "00" * 32}, "organisation_unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_permit_is_refused_with_a_code_a_receipt_and_no_entry_for(case: str, desk: Desk) -> None:
    company = desk.company()
    build, code = REFUSALS[case]
    assert desk.refused("vault_permit", build(company, desk.vault(company))) == f"signer.{code}"


def test_an_initiator_who_is_also_an_approver_cannot_approve_his_own_payment(desk: Desk) -> None:
    company = desk.company(founded=False)
    company.bundle["people"][-1]["roles"] = ["approver", "initiator"]
    desk.get("policy_first", company.policy_first())
    intent = company.intent(desk.vault(company))
    body = company.payment(intent, 0, company.approvers[1:])
    body["initiator_signature"] = company.approvers[2].sign(intent.digest(CHAIN_ID))
    assert desk.refused("vault_permit", body) == "signer.evidence_approver_is_initiator"


def test_the_days_limit_is_counted_by_the_signer_and_frees_after_a_day(desk: Desk) -> None:
    company = desk.company()
    vault = desk.vault(company)
    desk.get("vault_permit", company.payment(company.intent(vault, units=5_000_000), 0))
    more = company.payment(company.intent(vault, units=3_000_001), 1)
    assert desk.refused("vault_permit", more) == "signer.policy_denied"
    desk.get("vault_permit", company.payment(company.intent(vault, units=3_000_000), 1))
    desk.clock.advance(DAY + 3 * 3600)
    company.now = desk.clock.now()
    desk.get("vault_permit", company.payment(company.intent(vault, units=5_000_000), 2))


def test_an_intent_is_used_up_and_a_nonce_belongs_to_one_payment(desk: Desk) -> None:
    company = desk.company()
    intent = company.intent(desk.vault(company))
    desk.get("vault_permit", company.payment(intent, 0))
    again = company.payment(intent, 1)
    assert desk.refused("vault_permit", again) == "signer.request_differs"
    other = company.payment(company.intent(desk.vault(company)), 0)
    assert desk.refused("vault_permit", other) == "signer.safe_nonce_taken"
    assert desk.refused("vault_permit", other | {"dry_run": True}) == "signer.safe_nonce_taken"


def test_a_rejected_intent_is_never_paid(desk: Desk) -> None:
    company = desk.company()
    intent = company.intent(desk.vault(company))
    desk.get("vault_permit", company.rejection(intent, 0))
    assert desk.refused("vault_permit", company.payment(intent, 1)) == "signer.intent_rejected"


def test_rejection_needs_the_threshold_and_the_nonces_own_intent(desk: Desk) -> None:
    company = desk.company()
    vault = desk.vault(company)
    paid, other = company.intent(vault), company.intent(vault)
    desk.get("vault_permit", company.payment(paid, 0))
    assert desk.refused("vault_permit", company.rejection(other, 0)) == "signer.safe_nonce_taken"
    one = company.rejection(paid, 0)
    one["approvals"] = one["approvals"][:1]
    assert desk.refused("vault_permit", one) == "signer.approvals_missing"
    desk.get("vault_permit", company.rejection(paid, 0))


def test_suspension_by_one_administrator_stops_payments_until_the_next_version(desk: Desk) -> None:
    company = desk.company()
    vault = desk.vault(company)
    body = company.suspension()
    desk.get("suspend", body)
    payment = company.payment(company.intent(vault), 0)
    assert desk.refused("vault_permit", payment) == "signer.suspended"
    bundle = company.next_bundle(valid_until=company.now + 70 * DAY)
    desk.get("policy_update", company.policy_update(bundle, company.administrators))
    company.bundle = bundle
    desk.get("vault_permit", company.payment(company.intent(vault), 0))


def test_a_revoked_key_counts_no_more(desk: Desk) -> None:
    company = desk.company()
    key = company.approvers[1].address
    signature = company.administrators[1].sign(Revoke(company.ref, key).digest(CHAIN_ID))
    body = {"organisation": company.reference, "key": checksum(key), "signature": signature}
    desk.get("revoke", body)
    payment = company.payment(company.intent(desk.vault(company)), 0)
    assert desk.refused("vault_permit", payment) == "signer.evidence_approver_unknown"


def test_nobody_but_an_administrator_suspends_or_revokes(desk: Desk) -> None:
    company = desk.company()
    body = company.suspension(company.initiator)
    assert desk.refused("suspend", body) == "signer.not_administrator"
    del body["version"]
    body |= {"key": checksum(SHIPPER)}
    assert desk.refused("revoke", body) == "signer.not_administrator"


def test_a_destination_added_later_cools_by_the_signers_clock(desk: Desk) -> None:
    company = desk.company()
    vault = desk.vault(company)
    entry = {"address": checksum(LATER), "label": "later"}
    bundle = company.next_bundle(address_book=[*company.bundle["address_book"], entry])
    desk.get("policy_update", company.policy_update(bundle, company.administrators))
    company.bundle = bundle
    early = company.payment(company.intent(vault, to=LATER), 0)
    assert desk.refused("vault_permit", early) == "signer.evidence_policy_version"
    desk.clock.advance(3600)
    company.now = desk.clock.now()
    cooling = company.payment(company.intent(vault, to=LATER), 0)
    assert desk.refused("vault_permit", cooling) == "signer.destination_cooling"
    desk.clock.advance(3600)
    company.now = desk.clock.now()
    desk.get("vault_permit", company.payment(company.intent(vault, to=LATER), 0))


def test_a_policy_that_is_not_renewed_lapses(desk: Desk) -> None:
    company = desk.company()
    desk.clock.advance(80 * DAY + 1)
    company.now = desk.clock.now()
    payment = company.payment(company.intent(desk.vault(company)), 0)
    assert desk.refused("vault_permit", payment) == "signer.policy_lapsed"


def test_an_older_list_than_one_already_seen_clears_nothing(desk: Desk) -> None:
    company = desk.company()
    vault = desk.vault(company)
    newer, older = company.intent(vault), company.intent(vault)
    seen = company.list_version + 1
    document = company.clearance(newer, list_version=seen)
    desk.get("vault_permit", company.payment(newer, 0) | {"clearance": screened(document)})
    stale = company.payment(older, 1)
    assert desk.refused("vault_permit", stale) == "signer.evidence_list_outdated"

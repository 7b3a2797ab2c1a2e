import uuid
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.evidence import (
    Approval,
    Clearance,
    ClearedDeposit,
    EvidenceRefused,
    open_clearance,
    parse_clearance,
    recover_approvals,
)
from strongroom_protocol.intents import VaultPayment, Withdrawal
from strongroom_protocol.safe import payment_safe_tx, rejection_safe_tx, safe_tx_hash
from tests.unit.strongroom_protocol.organisation import (
    ADA,
    BEN,
    CAT,
    CHAIN_ID,
    DAN,
    EVE,
    NOW,
    OTHER_PAYEE,
    PAYEE,
    TOKEN,
    Key,
    bundle,
    person,
)

BUNDLE = bundle()
VAULT = Address(b"\x5a" * 20)
INTENT = Withdrawal(
    BUNDLE.organisation, VAULT, TOKEN, PAYEE, 77, 10**15, "invoice 7", NOW + 60, 1, 1
)
TX = payment_safe_tx(TOKEN, PAYEE, 77, 3)


def approval(key, intent=INTENT, tx=TX, vault=VAULT, chain_id=CHAIN_ID):
    tx_hash = safe_tx_hash(chain_id, vault, tx)
    payment = VaultPayment(intent.digest(chain_id), tx_hash, intent.to, intent.token, intent.units)
    return Approval(key.sign(tx_hash), key.sign(payment.digest(chain_id)))


def approve(*approvals, intent=INTENT, tx=TX, initiator=ADA, now=NOW, policy=BUNDLE):
    signature = initiator.sign(intent.digest(CHAIN_ID))
    return recover_approvals(policy, intent, signature, tx, approvals, now)


def code_of(call):
    with pytest.raises(EvidenceRefused) as caught:
        call()
    return caught.value.code


def test_two_approvers_are_recovered_with_the_initiator():
    found = approve(approval(BEN), approval(CAT))
    assert found.initiator is not None
    assert found.initiator.id == "ada"
    assert found.approver_ids() == {"ben", "cat"}


def test_the_initiator_cannot_approve():
    ben_starts = replace(INTENT, reference="invoice 8")
    assert (
        code_of(lambda: approve(approval(BEN, ben_starts), intent=ben_starts, initiator=BEN))
        == "evidence.approver_is_initiator"
    )


@pytest.mark.parametrize(
    ("approvals", "code"),
    [
        ((approval(EVE),), "evidence.approver_unknown"),
        ((approval(ADA),), "evidence.approver_unknown"),
        ((approval(BEN), approval(BEN)), "evidence.approved_twice"),
        ((approval(BEN, tx=replace(TX, nonce=4)),), "evidence.approver_unknown"),
        ((approval(BEN, vault=Address(b"\x5b" * 20)),), "evidence.approver_unknown"),
        ((approval(BEN, chain_id=1),), "evidence.approver_unknown"),
        ((replace(approval(BEN), payment_signature=None),), "evidence.payment_unsigned"),
        (
            (replace(approval(BEN), payment_signature=approval(CAT).payment_signature),),
            "evidence.payment_unsigned",
        ),
        (
            (approval(BEN, intent=replace(INTENT, reference="invoice 9")),),
            "evidence.payment_unsigned",
        ),
    ],
)
def test_approvals_by_others_twice_or_over_other_bytes_are_refused(approvals, code):
    """P1."""
    assert code_of(lambda: approve(*approvals)) == code


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"initiator": CAT}, "evidence.initiator_unknown"),
        ({"now": NOW + 61}, "evidence.expired"),
        ({"intent": replace(INTENT, policy_version=2)}, "evidence.policy_version"),
        ({"intent": replace(INTENT, organisation=bytes(32))}, "evidence.organisation"),
        ({"tx": payment_safe_tx(TOKEN, PAYEE, 78, 3)}, "evidence.payment_differs"),
        ({"tx": payment_safe_tx(TOKEN, OTHER_PAYEE, 77, 3)}, "evidence.payment_differs"),
        ({"tx": payment_safe_tx(ZERO, PAYEE, 77, 3)}, "evidence.payment_differs"),
    ],
)
def test_payments_that_are_not_the_intent_in_time_are_refused(how, code):
    assert code_of(lambda: approve(approval(BEN), **how)) == code


def test_a_payment_with_a_delegatecall_is_refused():
    with pytest.raises(ProtocolError):
        approve(approval(BEN), tx=replace(TX, operation=1))


def test_a_removed_persons_approval_is_void():
    people = [one for one in BUNDLE.document()["people"] if one["id"] != "dan"]
    policy = bundle(people=people, version=2, rules=[])
    intent = replace(INTENT, policy_version=2)
    approve(approval(CAT, intent), intent=intent, policy=policy)
    assert (
        code_of(lambda: approve(approval(DAN, intent), intent=intent, policy=policy))
        == "evidence.approver_unknown"
    )


def test_an_approver_who_is_no_owner_of_the_vault_does_not_count():
    fox = Key("fox")
    people = [*BUNDLE.document()["people"], person(fox, "approver")]
    policy = bundle(people=people, version=2)
    intent = replace(INTENT, policy_version=2)
    assert (
        code_of(lambda: approve(approval(fox, intent), intent=intent, policy=policy))
        == "evidence.approver_unknown"
    )


def test_a_rejection_may_come_late_and_needs_no_readable_payment():
    tx = rejection_safe_tx(VAULT, 3)
    bare = [Approval(key.sign(safe_tx_hash(CHAIN_ID, VAULT, tx)), None) for key in (BEN, CAT)]
    found = approve(*bare, tx=tx, now=NOW + 10**6)
    assert found.initiator is None
    assert found.approver_ids() == {"ben", "cat"}
    assert code_of(lambda: approve(*bare, *bare, tx=tx)) == "evidence.approved_twice"


SCREENER = Ed25519PrivateKey.from_private_bytes(b"\6" * 32)
PUBLIC = SCREENER.public_key().public_bytes_raw()
ORGANISATION = str(uuid.UUID(int=5))
OUT = Clearance(
    ORGANISATION, "out", PAYEE, INTENT.digest(CHAIN_ID), None, "CLEAR", 3, NOW, NOW + 60
)
IN = replace(
    OUT,
    direction="in",
    intent=None,
    deposit=ClearedDeposit(CHAIN_ID, b"\1" * 32, -1, ZERO, VAULT, 5),
)


def opened(clearance, *, key=SCREENER, organisation=ORGANISATION, now=NOW, least=1):
    return open_clearance(
        clearance.document(),
        key.sign(clearance.signed_bytes()),
        PUBLIC,
        organisation=organisation,
        now=now,
        list_version_min=least,
    )


@pytest.mark.parametrize("clearance", [OUT, IN])
def test_a_clear_verdict_of_the_screener_opens(clearance):
    assert opened(clearance) == clearance
    assert opened(clearance, now=NOW + 60, least=3) == clearance


@pytest.mark.parametrize("verdict", ["HIT", "ERROR", "UNSUPPORTED"])
def test_anything_but_clear_is_refused(verdict):
    """P7."""
    assert code_of(lambda: opened(replace(OUT, verdict=verdict))) == "evidence.not_clear"


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"now": NOW + 61}, "evidence.clearance_expired"),
        ({"now": NOW - 1}, "evidence.clearance_expired"),
        ({"least": 4}, "evidence.list_outdated"),
        ({"organisation": str(uuid.UUID(int=6))}, "evidence.clearance"),
        ({"key": Ed25519PrivateKey.from_private_bytes(b"\7" * 32)}, "evidence.clearance"),
    ],
)
def test_clearances_of_others_or_out_of_time_are_refused(how, code):
    assert code_of(lambda: opened(OUT, **how)) == code


def test_a_changed_clearance_is_refused():
    signature = SCREENER.sign(replace(OUT, verdict="HIT").signed_bytes())
    with pytest.raises(EvidenceRefused):
        open_clearance(OUT.document(), signature, PUBLIC, organisation=ORGANISATION, now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"intent": None}, {"deposit": IN.document()["deposit"]}, {"direction": "in"},
        {"direction": "up"}, {"verdict": "FINE"}, {"list_version": 0}, {"more": 1},
        {"type": "strongroom.clearance/2"}, {"subject": "0x" + "00" * 20},
    ],
)  # fmt: skip
def test_malformed_clearances_are_refused(changes):
    with pytest.raises(ProtocolError):
        parse_clearance({**OUT.document(), **changes})

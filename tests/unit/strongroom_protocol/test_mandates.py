"""What a bundle may hand to spending keys, gas money and fiat sources, and how it is judged."""

from dataclasses import replace

import pytest

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.authority import bundle_digest, parse_bundle
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.evidence import EvidenceRefused, recover_order_approvals
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.policy import Facts, evaluate
from tests.unit.strongroom_protocol.organisation import (
    ADA,
    BEN,
    CAT,
    CHAIN_ID,
    DAN,
    EVE,
    NOW,
    PAYEE,
    TOKEN,
    bundle,
    document,
)

HOT = Address(b"\x5a" * 20)
FLOAT = {"asset": "TUSD/6", "per_payment_units": "300", "per_day_units": "400"}
KEY = {
    "index": 0,
    "address": checksum(HOT),
    "kind": "hot",
    "threshold": 1,
    "limits": [FLOAT],
}
COLD = KEY | {"address": checksum(Address(b"\x5b" * 20)), "kind": "cold"}
GAS = {"source": checksum(HOT), "per_day_wei": "1000"}
BANK = {
    "source": "bank:operating",
    "rail": "bank_file",
    "asset": "EUR/2",
    "threshold": 2,
    "per_order_units": "100",
    "per_day_units": "200",
    "beneficiaries": ["Ann"],
}
MEMBERS = {
    "spending": [KEY, COLD],
    "fiat": [BANK, BANK | {"source": "mm", "beneficiaries": "any"}],
    "mandates": {"sweep": True, "gas": GAS},
}
BUNDLE = bundle(**MEMBERS)
INTENT = Withdrawal(BUNDLE.organisation, HOT, TOKEN, PAYEE, 77, 10**15, "invoice 7", NOW + 60, 1, 1)


def test_members_read_back_and_a_bundle_without_them_keeps_its_bytes() -> None:
    assert parse_bundle(BUNDLE.document()) == BUNDLE
    assert BUNDLE.document() == document(**MEMBERS)
    assert bundle().document() == document()
    assert bundle_digest(bundle()) != bundle_digest(BUNDLE)
    assert BUNDLE.fiat[1].beneficiaries is None


@pytest.mark.parametrize(
    "changes",
    [
        {"spending": []},
        {"fiat": []},
        {"spending": [KEY, KEY | {"index": 1}]},
        {"spending": [KEY, KEY | {"address": checksum(PAYEE)}]},
        {"spending": [KEY | {"kind": "warm"}]},
        {"spending": [KEY | {"threshold": 0}]},
        {"spending": [KEY | {"threshold": 4}]},
        {"spending": [KEY | {"limits": []}]},
        {"spending": [KEY | {"limits": [FLOAT, FLOAT]}]},
        {"spending": [KEY | {"limits": [FLOAT | {"asset": "EUR/2"}]}]},
        {"spending": [KEY | {"address": checksum(ADA.address)}]},
        {"spending": [KEY | {"address": checksum(TOKEN)}]},
        {"spending": [KEY | {"index": 2**31}]},
        {"mandates": {"sweep": True, "gas": GAS}},
        {"mandates": {"sweep": True, "gas": None}},
        {"spending": [COLD], "mandates": {"sweep": True, "gas": GAS | {"source": COLD["address"]}}},
        {"fiat": [BANK, BANK]},
        {"fiat": [BANK | {"rail": "post"}]},
        {"fiat": [BANK | {"asset": "euro"}]},
        {"fiat": [BANK | {"threshold": 4}]},
        {"fiat": [BANK | {"beneficiaries": "all"}]},
        {"fiat": [BANK | {"beneficiaries": []}]},
        {"fiat": [BANK | {"beneficiaries": ["Ann", "Ann"]}]},
    ],
)
def test_members_that_contradict_themselves_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        bundle(**changes)


PAID = Facts("ada", "TUSD/6", 300, PAYEE, NOW, 0, frozenset({"ben"}), HOT)


def test_a_spending_key_has_its_own_threshold_and_its_float() -> None:
    assert evaluate(BUNDLE, PAID).kind == "allowed"
    assert (
        evaluate(BUNDLE, replace(PAID, approvers=frozenset())).missing[0].sentence() == "1 approver"
    )
    assert evaluate(BUNDLE, replace(PAID, wallet=None)).kind == "awaiting_approvals"
    assert evaluate(BUNDLE, replace(PAID, wallet_spent_units=100)).kind == "allowed"
    for wrong, rule in (
        ({"units": 301}, "float"),
        ({"wallet_spent_units": 101}, "float"),
        ({"spent_units": 2_000_000}, "limits"),
        ({"asset": "ETH/18", "units": 1}, "wallet"),
        ({"wallet": PAYEE}, "wallet"),
    ):
        verdict = evaluate(BUNDLE, replace(PAID, **wrong))
        assert (verdict.kind, verdict.rule_id) == ("denied", rule)


def test_approvers_sign_what_the_initiator_signed() -> None:
    digest = INTENT.digest(CHAIN_ID)
    order = ADA.sign(digest)
    found = recover_order_approvals(
        BUNDLE, INTENT, order, [BEN.sign(digest), DAN.sign(digest)], NOW
    )
    assert (found.initiator and found.initiator.id) == "ada"
    assert found.approver_ids() == {"ben", "dan"}
    cases = {
        "evidence.approver_unknown": [EVE.sign(digest)],
        "evidence.approved_twice": [CAT.sign(digest), CAT.sign(digest)],
    }
    for code, approvals in cases.items():
        with pytest.raises(EvidenceRefused) as caught:
            recover_order_approvals(BUNDLE, INTENT, order, approvals, NOW)
        assert caught.value.code == code
    with pytest.raises(EvidenceRefused) as caught:
        recover_order_approvals(BUNDLE, INTENT, BEN.sign(digest), [BEN.sign(digest)], NOW)
    assert caught.value.code == "evidence.approver_is_initiator"
    elsewhere = CAT.sign(replace(INTENT, units=78).digest(CHAIN_ID))
    with pytest.raises(EvidenceRefused, match="no approver"):
        recover_order_approvals(BUNDLE, INTENT, order, [elsewhere], NOW)

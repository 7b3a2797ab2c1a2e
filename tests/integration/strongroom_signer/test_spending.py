"""P1, P4: a spending key pays what its people signed, within its float, once for ever."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.safe import payment_safe_tx
from strongroom_protocol.signatures import CURVE_ORDER, Signature
from strongroom_protocol.transactions import Authorization, SignedAuthorization
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import (
    CHAIN_ID,
    DAY,
    LATER,
    SHIPPER,
    STRANGE,
    TUSD,
    Company,
    Key,
    screened,
)
from tests.integration.strongroom_signer.spending import (
    Body,
    bump,
    cancelled,
    hot_address,
    hot_company,
    hot_intent,
    key_entry,
    spend,
)
from tests.integration.strongroom_signer.test_relay import GWEI, ask_for, cancel, fees, sweep


def decoded(answer: Body, sender: str) -> dict[str, Any]:
    """Read by eth-account, an encoder that is not ours."""
    raw = from_hex(answer["raw"])
    assert Account.recover_transaction(raw) == answer["from"] == sender
    found: dict[str, Any] = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    assert (found["chainId"], found["nonce"]) == (CHAIN_ID, answer["nonce"])
    return found


def test_a_token_payment_is_exactly_the_transfer_that_people_signed(desk: Desk) -> None:
    company = hot_company(desk)
    answer = desk.get("spending_payment", spend(company, hot_intent(company)))
    found = decoded(answer, hot_address(company))
    paid = payment_safe_tx(TUSD, SHIPPER, 1_000_000, 0)
    assert (bytes(found["to"]), bytes(found["data"]), found["value"]) == (TUSD, paid.data, 0)
    assert answer["fees"] == fees(100_000)


def test_a_native_payment_has_its_value_and_no_data(desk: Desk) -> None:
    company = hot_company(desk)
    intent = hot_intent(company, token=ZERO, units=10**17)
    found = decoded(desk.get("spending_payment", spend(company, intent)), hot_address(company))
    assert (bytes(found["to"]), bytes(found["data"]), found["value"]) == (SHIPPER, b"", 10**17)


def test_every_key_has_its_own_nonces_without_a_gap(desk: Desk) -> None:
    company, other = hot_company(desk), hot_company(desk)
    nonces = [
        desk.get("spending_payment", spend(one, hot_intent(one)))["nonce"]
        for one in (company, other, company)
    ]
    assert nonces == [0, 0, 1]


def test_a_retry_gets_the_stored_bytes_and_counts_once(desk: Desk) -> None:
    company = hot_company(desk)
    body = spend(company, hot_intent(company, units=3_000_000))
    first = desk.get("spending_payment", body)
    entries = desk.counts()
    assert desk.get("spending_payment", body) == first
    others = spend(company, Withdrawal.from_fields(body["intent"]), company.approvers)
    assert desk.get("spending_payment", others | {"fees": fees(90_000)}) == first
    assert desk.counts() == entries


def test_a_bump_pays_the_same_and_a_cancel_never_frees_the_intent(desk: Desk) -> None:
    company = hot_company(desk)
    body = spend(company, hot_intent(company))
    first = decoded(desk.get("spending_payment", body), hot_address(company))
    second = decoded(desk.get("spending_payment", bump(body)), hot_address(company))
    for name in ("to", "data", "value", "nonce", "gas"):
        assert first[name] == second[name]
    ended = decoded(desk.get("spending_payment", cancelled(body, 2, 11)), hot_address(company))
    assert (checksum(Address(bytes(ended["to"]))), ended["value"]) == (hot_address(company), 0)
    assert (bytes(ended["data"]), ended["nonce"]) == (b"", first["nonce"])
    assert desk.refused("spending_payment", bump(body, 3, 13)) == "signer.cancelled"
    desk.get("spending_payment", cancelled(body, 3, 13))
    again = bump(body, 0) | {"approvals": []}
    assert desk.get("spending_payment", again)["nonce"] == first["nonce"]


def test_dry_run_tells_the_verdict_and_leaves_no_entry(desk: Desk) -> None:
    company = hot_company(desk)
    size, entries = desk.house.journal.size, desk.counts()
    dry: Body = {"dry_run": True, "clearance": None}
    for approvers, verdict in (([], "awaiting_approvals"), (None, "allowed")):
        asked = spend(company, hot_intent(company), approvers, **dry)
        assert desk.get("spending_payment", asked)["verdict"] == verdict
    above = spend(company, hot_intent(company, units=3_000_001), **dry)
    answer = desk.get("spending_payment", above)
    assert (answer["verdict"], answer["rule_id"]) == ("denied", "float")
    assert (desk.house.journal.size, desk.counts()) == (size, entries)


def _resigned(c: Company, change: Callable[[bytes], bytes]) -> Body:
    body = spend(c, hot_intent(c))
    return body | {"approvals": [to_hex(change(from_hex(body["approvals"][0])))]}


def _high_s(signature: bytes) -> bytes:
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


def _approved_for(c: Company, **changes: Any) -> Body:
    """Approvals given for one payment, shown for another."""
    meant = hot_intent(c)
    shown = replace(meant, **changes)
    return spend(c, shown, approvals=spend(c, meant)["approvals"])


def _paid(c: Company, **changes: Any) -> Body:
    return spend(c, hot_intent(c, **changes))


def _cleared(c: Company, **changes: Any) -> Body:
    intent = hot_intent(c)
    return spend(c, intent, clearance=screened(c.clearance(intent, **changes)))


def _ordered_by(c: Company, key: Key) -> Body:
    intent = hot_intent(c)
    return spend(c, intent, initiator_signature=key.sign(intent.digest(CHAIN_ID)))


STRANGER = Key.named("stranger")
REFUSALS: dict[str, tuple[Callable[[Company], Body], str]] = {
    "no approval": (lambda c: spend(c, hot_intent(c), []), "approvals_missing"),
    "an approval by a stranger": (
        lambda c: spend(c, hot_intent(c), [STRANGER]), "evidence_approver_unknown"),
    "an approval by the initiator": (
        lambda c: spend(c, hot_intent(c), [c.initiator]), "evidence_approver_unknown"),
    "one person twice": (
        lambda c: spend(c, hot_intent(c), [c.approvers[0]] * 2), "evidence_approved_twice"),
    "approvals of another amount": (
        lambda c: _approved_for(c, units=2_000_000), "evidence_approver_unknown"),
    "approvals of another fee": (
        lambda c: _approved_for(c, max_fee_wei=10**18), "evidence_approver_unknown"),
    "a high-s signature": (lambda c: _resigned(c, _high_s), "signature_invalid"),
    "v of 0 or 1": (
        lambda c: _resigned(c, lambda s: s[:64] + bytes([s[64] - 27])), "signature_invalid"),
    "a 64-byte signature (EIP-2098)": (
        lambda c: _resigned(c, lambda s: s[:64]), "protocol_field_invalid"),
    "a forged initiator": (lambda c: _ordered_by(c, STRANGER), "evidence_initiator_unknown"),
    "an approver as initiator": (
        lambda c: _ordered_by(c, c.approvers[1]), "evidence_initiator_unknown"),
    "an expired intent": (lambda c: _paid(c, valid_until=c.now - 1), "evidence_expired"),
    "an intent for a year": (lambda c: _paid(c, valid_until=c.now + 365 * DAY), "intent_too_long"),
    "another policy version": (lambda c: _paid(c, policy_version=2), "evidence_policy_version"),
    "another epoch": (lambda c: _paid(c, store_epoch=2), "epoch_stale"),
    "another organisation's intent": (
        lambda c: _paid(c, organisation=bytes(32)), "evidence_organisation"),
    "a strange wallet": (lambda c: _paid(c, wallet=STRANGE), "wallet_differs"),
    "a deposit address as wallet": (
        lambda c: _paid(c, wallet=parse_address(c.account["addresses"][0])), "wallet_differs"),
    "an unlisted token": (lambda c: _paid(c, token=STRANGE), "token_unknown"),
    "an unlisted destination": (lambda c: _paid(c, to=STRANGE), "policy_denied"),
    "more than the float of one payment": (lambda c: _paid(c, units=3_000_001), "policy_denied"),
    "no clearance": (lambda c: spend(c, hot_intent(c), clearance=None), "clearance_missing"),
    "a clearance of another destination": (
        lambda c: _cleared(c, subject=checksum(STRANGE)), "clearance_differs"),
    "a clearance of another intent": (
        lambda c: _cleared(c, intent="0x" + "11" * 32), "clearance_differs"),
    "a hit": (lambda c: _cleared(c, verdict="HIT"), "evidence_not_clear"),
    "a fee above the signed maximum": (
        lambda c: _paid(c, max_fee_wei=100_000 * 8 * GWEI - 1), "fee_above_cap"),
    "a fee above the policy's cap a unit": (
        lambda c: spend(c, hot_intent(c), fees=fees(100_000, 101 * GWEI)), "fee_above_cap"),
    "a tip above the fee": (
        lambda c: spend(c, hot_intent(c), fees=fees(100_000, tip=9 * GWEI)), "transaction_invalid"),
    "gas below what the data burns": (
        lambda c: spend(c, hot_intent(c), fees=fees(21_000)), "transaction_invalid"),
    "no gas": (lambda c: spend(c, hot_intent(c), fees=fees(0)), "transaction_invalid"),
    "a later attempt first": (lambda c: bump(spend(c, hot_intent(c))), "attempt_out_of_order"),
    "a cancel of nothing": (lambda c: cancelled(spend(c, hot_intent(c)), 0), "ref_unknown"),
    "an unknown member": (
        lambda c: spend(c, hot_intent(c), nonce=5), "protocol_field_invalid"),
    "call data of its own": (
        lambda c: spend(c, hot_intent(c), data="0x"), "protocol_field_invalid"),
    "another kind": (lambda c: spend(c, hot_intent(c), kind="sweep"), "protocol_field_invalid"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_payment_is_refused_without_taking_a_nonce_for(case: str, desk: Desk) -> None:
    company = hot_company(desk)
    build, code = REFUSALS[case]
    assert desk.refused("spending_payment", build(company)) == f"signer.{code}"


BUMPS: dict[str, tuple[Callable[[Company, Body], Body], str]] = {
    "fees up by less than an eighth": (
        lambda _, b: b | {"attempt": 1, "fees": fees(100_000, 9 * GWEI - 1, 9 * GWEI - 1)},
        "bump_too_small"),
    "another gas": (lambda _, b: bump(b | {"fees": fees(99_000)}), "content_differs"),
    "a skipped attempt": (lambda _, b: bump(b, 2), "attempt_out_of_order"),
    "more than the signed fee": (
        lambda _, b: bump(b | {"fees": fees(100_000)}, gwei=11), "fee_above_cap"),
    "a forged initiator": (
        lambda _, b: bump(b, initiator_signature=STRANGER.sign(bytes(31) + b"1")),
        "evidence_initiator_unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", BUMPS)
def test_bump_is_refused_for(case: str, desk: Desk) -> None:
    company = hot_company(desk)
    body = spend(company, hot_intent(company, max_fee_wei=100_000 * 10 * GWEI))
    desk.get("spending_payment", body)
    build, code = BUMPS[case]
    assert desk.refused("spending_payment", build(company, body)) == f"signer.{code}"


def test_the_float_and_the_organisations_limit_are_both_counted(desk: Desk) -> None:
    company = hot_company(desk)
    desk.get("spending_payment", spend(company, hot_intent(company, units=3_000_000)))
    above = spend(company, hot_intent(company, units=1_000_001))
    assert desk.refused("spending_payment", above) == "signer.policy_denied"
    desk.get(
        "vault_permit", company.payment(company.intent(desk.vault(company), units=4_500_000), 0)
    )
    rest = spend(company, hot_intent(company, units=500_001))
    assert desk.refused("spending_payment", rest) == "signer.policy_denied"
    desk.get("spending_payment", spend(company, hot_intent(company, units=500_000)))
    desk.clock.advance(DAY + 3 * 3600)
    company.now = desk.clock.now()
    desk.get("spending_payment", spend(company, hot_intent(company, units=3_000_000)))


def test_a_later_destination_cools_for_a_spending_key_too(desk: Desk) -> None:
    company = hot_company(desk)
    entry = {"address": checksum(LATER), "label": "later"}
    bundle = company.next_bundle(address_book=[*company.bundle["address_book"], entry])
    desk.get("policy_update", company.policy_update(bundle, company.administrators))
    company.bundle = bundle
    desk.clock.advance(3600)
    company.now = desk.clock.now()
    early = spend(company, hot_intent(company, to=LATER))
    assert desk.refused("spending_payment", early) == "signer.destination_cooling"


def test_suspension_stops_payments_and_bumps_but_not_their_cancellation(desk: Desk) -> None:
    company = hot_company(desk)
    body = spend(company, hot_intent(company))
    first = desk.get("spending_payment", body)
    desk.get("suspend", company.suspension())
    other = spend(company, hot_intent(company))
    assert desk.refused("spending_payment", other) == "signer.suspended"
    assert desk.refused("spending_payment", bump(body)) == "signer.suspended"
    assert desk.get("spending_payment", body) == first
    desk.get("spending_payment", cancelled(body))


def test_an_expired_intent_is_not_bumped_but_cancelled(desk: Desk) -> None:
    company = hot_company(desk)
    body = spend(company, hot_intent(company, valid_until=company.now + 60))
    desk.get("spending_payment", body)
    desk.clock.advance(61)
    assert desk.refused("spending_payment", bump(body)) == "signer.evidence_expired"
    desk.get("spending_payment", cancelled(body))


def test_one_key_cannot_bump_or_cancel_what_another_key_sends(desk: Desk) -> None:
    company = hot_company(desk)
    body = spend(company, hot_intent(company))
    ref = to_hex(Withdrawal.from_fields(body["intent"]).digest(CHAIN_ID))
    desk.get("spending_payment", body)
    dearer = fees(100_000, 9 * GWEI, 9 * GWEI)
    foreign = cancel({"ref": ref}, 1, dearer)
    assert desk.refused("relay", foreign) == "signer.ref_unknown"
    created = ask_for(company, "vault_creation") | {"ref": ref, "attempt": 1, "fees": dearer}
    assert desk.refused("relay", created) == "signer.attempt_out_of_order"
    desk.get("relay", created | {"attempt": 0})


def test_a_key_belongs_to_one_organisation(desk: Desk) -> None:
    mine, theirs = hot_company(desk), hot_company(desk)
    wallet = parse_address(hot_address(theirs))
    body = spend(mine, mine.intent(wallet))
    assert desk.refused("spending_payment", body) == "signer.wallet_differs"
    paid = spend(theirs, hot_intent(theirs))
    desk.get("spending_payment", paid)
    foreign = cancelled(paid) | {"organisation": mine.reference}
    assert desk.refused("spending_payment", foreign) == "signer.wallet_differs"


def test_a_spending_key_never_delegates(desk: Desk) -> None:
    """EIP-7702: a sweep's delegations name deposit indexes, and nothing else can be named."""
    company = hot_company(desk)
    body = ask_for(company, "sweep", **sweep(company))
    for other in ({"spending": 0}, hot_address(company), "0"):
        named = body | {"delegate": [other]}
        assert desk.refused("relay", named) == "signer.protocol_field_invalid"
    raw = HexBytes(desk.get("relay", body)["raw"])
    (signed,) = TypedTransaction.from_bytes(raw).as_dict()["authorizationList"]
    inner = Authorization(CHAIN_ID, Address(bytes(signed["address"])), signed["nonce"])
    signature = Signature(signed["r"], signed["s"], 27 + signed["yParity"])
    account = SignedAuthorization(inner, signature).authority()
    assert checksum(account) == company.account["addresses"][0] != hot_address(company)


def test_a_changed_row_of_the_key_table_signs_nothing(desk: Desk) -> None:
    company = hot_company(desk)
    pool, address = desk.house.pool, parse_address(hot_address(company))
    table = pool._connection
    (account,) = table.execute(
        "SELECT account_index FROM sealed_key WHERE address = ?", (address,)
    ).fetchone()
    table.execute("UPDATE sealed_key SET kek = 2 WHERE address = ?", (address,))
    body = spend(company, hot_intent(company))
    assert desk.refused("spending_payment", body) == "signer.key_table_changed"
    table.execute("UPDATE sealed_key SET kek = 1 WHERE address = ?", (address,))
    assert pool.spending(account, 0) is not None
    desk.get("spending_payment", body)


@pytest.mark.parametrize(
    "change",
    [
        {"address": checksum(STRANGE)},
        {"index": 1},
        {"kind": "cold"},
    ],
)
def test_a_policy_with_another_key_than_the_tables_is_refused(
    change: dict[str, Any], desk: Desk
) -> None:
    company = desk.company(founded=False)
    company.bundle |= {"spending": [key_entry(hot_address(company)) | change]}
    assert desk.refused("policy_first", company.policy_first()) == "signer.spending_key_differs"
    company.bundle.pop("spending")
    desk.get("policy_first", company.policy_first())
    bundle = company.next_bundle(spending=[key_entry(hot_address(company)) | change])
    update = company.policy_update(bundle, company.administrators)
    assert desk.refused("policy_update", update) == "signer.spending_key_differs"


def test_a_key_that_left_the_policy_pays_no_more(desk: Desk) -> None:
    company = hot_company(desk)
    bundle = company.next_bundle()
    del bundle["spending"]
    desk.get("policy_update", company.policy_update(bundle, company.administrators))
    company.bundle = bundle
    body = spend(company, hot_intent(company))
    assert desk.refused("spending_payment", body) == "signer.wallet_differs"

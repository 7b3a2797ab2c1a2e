"""P1: several payments get one Permit, each for what its own people signed; all of them or none."""

from collections.abc import Callable
from typing import Any

import pytest

from strongroom_protocol.addresses import ZERO, parse_address
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.permit import Permit
from strongroom_protocol.safe import Payment, batch_safe_tx, rejection_safe_tx, safe_tx_hash
from strongroom_protocol.signatures import Signature, recover
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import CHAIN_ID, STRANGE, Company
from tests.integration.strongroom_signer.test_relay import GWEI, ask_for, fees

Body = dict[str, Any]


def batch(desk: Desk, company: Company, *changes: Body, nonce: int = 0) -> Body:
    """A batch of one payment for each of these changes."""
    vault = desk.vault(company)
    intents = [company.intent(vault, **one) for one in changes]
    return company.batch(intents, nonce, desk.house.deployment.multi_send)


def intent_of(body: Body, number: int) -> Withdrawal:
    return Withdrawal.from_fields(body["payments"][number]["intent"])


TWO = ({"units": 1_000_000}, {"token": ZERO, "units": 10**17})


def test_payments_that_two_of_three_approved_get_one_permit(desk: Desk) -> None:
    company = desk.company()
    vault, multi_send = desk.vault(company), desk.house.deployment.multi_send
    body = batch(desk, company, *TWO)
    answer = desk.get("vault_batch", body)
    orders = [intent_of(body, i) for i in (0, 1)]
    paid = [Payment(one.token, one.to, one.units) for one in orders]
    tx_hash = safe_tx_hash(CHAIN_ID, vault, batch_safe_tx(paid, 0, multi_send))
    assert answer["safe_tx_hash"] == to_hex(tx_hash)
    permit = Permit(vault, tx_hash, answer["policy_version"], answer["valid_until"])
    digest = permit.digest(CHAIN_ID, desk.house.deployment.guard)
    signer = recover(digest, Signature.parse(from_hex(answer["permit_signature"])))
    assert signer == desk.house.config.keys.permit
    entries = desk.counts()
    assert desk.get("vault_batch", body) == answer
    assert desk.counts() == entries, "a retry gets the stored Permit and counts once"


def test_its_execution_may_cost_what_the_initiators_allowed_together(desk: Desk) -> None:
    company = desk.company()
    body = batch(desk, company, {"max_fee_wei": 10**16}, {"max_fee_wei": 10**16})
    named = desk.get("vault_batch", body)["safe_tx_hash"]
    keys = company.approvers[:2]
    signatures = [key.sign(from_hex(named)) for key in keys]
    asked = ask_for(company, "vault_execution", safe_tx_hash=named, signatures=signatures)
    dear = {"fees": fees(2_500_001, 8 * GWEI)}
    assert desk.refused("relay", asked | dear) == "signer.fee_above_cap"
    answer = desk.get("relay", asked | {"fees": fees(2_500_000, 8 * GWEI)})
    assert parse_address(answer["from"]) == desk.house.config.keys.relay


def test_the_valid_time_is_the_shortest_of_all(desk: Desk) -> None:
    company = desk.company()
    body = batch(desk, company, {}, {"valid_until": company.now + 600, "units": 5})
    assert desk.get("vault_batch", body)["valid_until"] == company.now + 600


def test_a_rehearsal_sees_the_sum_and_leaves_nothing(desk: Desk) -> None:
    company = desk.company()
    size, entries = desk.house.journal.size, desk.counts()
    fits = batch(desk, company, {"units": 5_000_000}, {"units": 3_000_000})
    above = batch(desk, company, {"units": 5_000_000}, {"units": 3_000_001})
    dry = {"dry_run": True}
    assert desk.get("vault_batch", fits | dry)["verdict"] == "allowed"
    assert desk.get("vault_batch", above | dry)["verdict"] == "denied"
    assert desk.get("vault_batch", fits | dry)["verdict"] == "allowed"
    assert (desk.house.journal.size, desk.counts()) == (size, entries)
    desk.get("vault_batch", fits)
    more = company.payment(company.intent(desk.vault(company), units=1), 1)
    assert desk.refused("vault_permit", more) == "signer.policy_denied", "both are counted"


@pytest.mark.parametrize("number", [0, 1])
def test_any_of_its_intents_names_the_rejection_of_all(desk: Desk, number: int) -> None:
    company = desk.company()
    body = batch(desk, company, *TWO)
    desk.get("vault_batch", body)
    stranger = company.rejection(company.intent(desk.vault(company)), 0)
    assert desk.refused("vault_permit", stranger) == "signer.safe_nonce_taken"
    answer = desk.get("vault_permit", company.rejection(intent_of(body, number), 0))
    vault = desk.vault(company)
    rejected = safe_tx_hash(CHAIN_ID, vault, rejection_safe_tx(vault, 0))
    assert answer["safe_tx_hash"] == to_hex(rejected)


def test_a_refused_batch_leaves_its_intents_as_they_were(desk: Desk) -> None:
    company = desk.company()
    body = batch(desk, company, {"units": 5_000_000}, {"units": 3_000_001})
    entries = desk.counts()
    assert desk.refused("vault_batch", body) == "signer.policy_denied"
    assert desk.counts() == entries
    desk.get("vault_permit", company.payment(intent_of(body, 0), 0))


WRONG: dict[str, Callable[[Body], Body]] = {
    "one payment": lambda b: b | {"payments": b["payments"][:1]},
    "65 payments": lambda b: b | {"payments": b["payments"][:1] * 65},
    "a kind": lambda b: b | {"kind": "payment"},
    "an unknown member": lambda b: b | {"payments": [b["payments"][0], {"safe_tx": {}}]},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_batch_is_read_strictly(case: str, desk: Desk) -> None:
    company = desk.company()
    body = WRONG[case](batch(desk, company, *TWO))
    assert desk.refused("vault_batch", body) == "signer.protocol_field_invalid"


def test_an_unlisted_destination_among_listed_ones_is_denied(desk: Desk) -> None:
    company = desk.company()
    body = batch(desk, company, {}, {"to": STRANGE}, {"units": 7})
    assert desk.refused("vault_batch", body) == "signer.policy_denied"

"""P1, P4: what a stolen API or database asks of the signer: floods, dust, gaps, others' doors."""

import io
import os
import signal
from typing import Any

import pytest

from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import SweepRelease
from strongroom_signer.serve.dispatch import API_OPERATIONS, OPERATIONS, Dispatcher
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import CHAIN_ID, Company, Key
from tests.integration.strongroom_signer.spending import (
    cancelled,
    hot_address,
    hot_intent,
    key_entry,
    spend,
)
from tests.integration.strongroom_signer.test_process import Signer, founded, signer
from tests.integration.strongroom_signer.test_relay import GWEI, ask_for, cancel, fees, sweep

__all__ = ["founded", "signer"]


def _suspension(company: Company) -> dict[str, Any]:
    return company.suspension()


def test_a_flood_of_refusals_does_not_fill_the_journal(desk: Desk) -> None:
    flooded = Dispatcher(desk.house, io.StringIO(), refusals_an_hour=5)
    size = desk.house.journal.size
    wrong = {"op": "nonsense", "trace": "t", "body": {}}
    codes = {flooded.answer(wrong)["code"] for _ in range(40)}
    assert codes == {"signer.operation_unknown"}
    assert desk.house.journal.size == size + 5
    desk.clock.advance(3600)
    flooded.answer(wrong)
    (body,) = desk.house.journal.one("SELECT body FROM receipt ORDER BY seq DESC LIMIT 1") or ()
    assert '"unwritten":35' in body


def test_sweeps_of_dust_stop_at_the_days_gas_budget(desk: Desk) -> None:
    """P1: nobody signs for a sweep, so its gas is bounded by what was signed for one, times 100."""
    company = desk.company()
    dear = fees(gas=10_000_000, fee=100 * GWEI, tip=GWEI)  # the signed maximum, 1 ETH
    dust = sweep(company, units=1, cleared=1000)
    for number in range(100):
        desk.get("relay", ask_for(company, "sweep", f"dust {number}", **dust, fees=dear))
    one_more = ask_for(company, "sweep", "one more", **dust, fees=dear)
    assert desk.refused("relay", one_more) == "signer.gas_budget_spent"
    assert desk.ask("relay", one_more)["retryable"], "the relay waits; the row does not fail"
    other = desk.company()
    desk.get("relay", ask_for(other, "sweep", **sweep(other), fees=dear))
    desk.get("relay", ask_for(company, "vault_creation"))
    desk.clock.advance(27 * 3600)
    fresh = sweep(company, units=1, cleared=0)
    desk.get("relay", ask_for(company, "sweep", "tomorrow", **fresh, fees=dear))


def _release(company: Company, body: dict[str, Any], *keys: Key) -> dict[str, Any]:
    account = parse_address(company.account["addresses"][0])
    statement = SweepRelease(company.ref, from_hex(body["ref"]), account, company.token)
    digest = statement.digest(CHAIN_ID)
    return {
        "organisation": company.reference,
        "ref": body["ref"],
        "account": checksum(account),
        "token": checksum(company.token),
        "signatures": company.signatures(keys, digest),
    }


def test_a_cancelled_sweep_is_swept_again_on_the_administrators_word_alone(desk: Desk) -> None:
    """P1, P10: the deposits are not stuck for ever, and nothing above what was cleared moves."""
    company = desk.company()
    first = ask_for(company, "sweep", "a", **sweep(company))
    desk.get("relay", first)
    desk.get("relay", cancel(first, 1, fees(30_000, 9 * GWEI, 9 * GWEI)))
    again = ask_for(company, "sweep", "b", **sweep(company))
    assert desk.refused("relay", again) == "signer.units_uncleared"
    one, two = company.administrators
    assert desk.refused("release_sweep", _release(company, first, one)).startswith("signer.bundle_")
    others = desk.company()
    foreign = _release(others, first, *others.administrators)
    assert desk.refused("release_sweep", foreign) == "signer.ref_unknown"
    assert desk.refused("relay", again) == "signer.units_uncleared"
    for _ in range(2):
        desk.get("release_sweep", _release(company, first, one, two))
    desk.get("relay", again)
    third = ask_for(company, "sweep", "c", **sweep(company, units=1))
    assert desk.refused("relay", third) == "signer.units_uncleared"


def test_a_released_sweep_is_never_signed_again(desk: Desk) -> None:
    company = desk.company()
    body = ask_for(company, "sweep", "a", **sweep(company))
    desk.get("relay", body)
    desk.get("release_sweep", _release(company, body, *company.administrators))
    bump = body | {"attempt": 1, "fees": fees(fee=9 * GWEI, tip=9 * GWEI)}
    assert desk.refused("relay", bump) == "signer.released"
    desk.get("relay", cancel(body, 1, fees(30_000, 9 * GWEI, 9 * GWEI)))


def test_a_nonce_once_taken_is_signed_though_the_organisation_was_suspended(
    signer: Signer,
) -> None:
    """P10: killed between entry and signature, then suspended: no gap stops everybody's money."""
    signer.start()
    company = signer.company()
    signer.stop()
    signer.start(STRONGROOM_CRASH_AT="sign.after_journal:1")
    body = ask_for(company, "vault_creation")
    with pytest.raises(OSError, match=r"hung up|reset"):
        signer.get("relay", body)
    assert signer.stop() == -signal.SIGKILL
    signer.start()
    signer.get("suspend", _suspension(company))
    assert signer.get("relay", body)["nonce"] == 0
    later = signer.ask("relay", ask_for(company, "delegate_deployment", "b"))
    assert later["code"] == "signer.suspended"
    bump = body | {"attempt": 1, "fees": fees(fee=10 * GWEI, tip=10 * GWEI)}
    assert signer.ask("relay", bump)["code"] == "signer.suspended"


def test_a_payment_killed_before_its_signature_is_suspended_and_its_nonce_given_back(
    signer: Signer,
) -> None:
    """P10: what nobody saw signed is not signed after a stop; the key pays on when that ends."""
    signer.start()
    company = signer.founders("Hostile")
    company.bundle["spending"] = [key_entry(hot_address(company))]
    signer.get("policy_first", company.policy_first())
    signer.stop()
    signer.start(STRONGROOM_CRASH_AT="sign.after_journal:1")
    body = spend(company, hot_intent(company))
    with pytest.raises(OSError, match=r"hung up|reset"):
        signer.get("spending_payment", body)
    assert signer.stop() == -signal.SIGKILL
    signer.start()
    signer.get("suspend", _suspension(company))
    assert signer.ask("spending_payment", body)["code"] == "signer.suspended"
    ended = signer.get("spending_payment", cancelled(body))
    assert (ended["nonce"], ended["from"]) == (0, hot_address(company))
    assert signer.ask("spending_payment", body)["code"] == "signer.suspended"


def test_the_apis_user_takes_no_nonce_and_signs_no_log(signer: Signer) -> None:
    """P1, P8: a stolen API at the socket: no gap of nonces, no fork of the log, no Permit."""
    signer.start(
        STRONGROOM_SIGNER_ALLOWED_UIDS=str(os.getuid() + 1),
        STRONGROOM_SIGNER_API_UIDS=str(os.getuid()),
    )
    company = signer.founders("Hostile")
    signer.get("policy_first", company.policy_first())
    assert signer.get("provenance", {"organisation": company.reference, "index": 0})["signature"]
    root = to_hex(keccak256(b"a log of my own"))
    for op, body in (
        ("relay", ask_for(company, "vault_creation")),
        ("checkpoint", {"size": 7, "root": root, "consistency_proof": []}),
        ("vault_permit", {}),
        ("vault_batch", {}),
        ("vault_change", {}),
        ("spending_payment", {}),
        ("gas_topup", {}),
        ("leaf_sweep", {}),
        ("fiat_order", {}),
    ):
        assert signer.ask(op, body)["code"] == "signer.operation_not_yours"
    keys = {"relay", "checkpoint", "vault_permit", "vault_batch", "vault_change"}
    keys |= {"spending_payment", "gas_topup", "leaf_sweep", "fiat_order"}
    assert set(OPERATIONS) - API_OPERATIONS == keys

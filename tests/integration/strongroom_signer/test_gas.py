"""P1, P4: gas money goes to the relay and to own deposit addresses, and a day's cap holds."""

from collections.abc import Callable
from typing import Any

import pytest

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import DAY, STRANGE, Company
from tests.integration.strongroom_signer.spending import (
    Body,
    bump,
    hot_address,
    hot_company,
    hot_intent,
    spend,
)
from tests.integration.strongroom_signer.test_relay import GWEI, fees
from tests.integration.strongroom_signer.test_spending import decoded

FEES = fees(21_000)
FEE_WEI = 21_000 * 8 * GWEI
CAP_WEI = 10**16


def fed(desk: Desk, **changes: Any) -> Company:
    """An organisation whose hot key may spend CAP_WEI of gas money a day."""
    company = desk.company(founded=False)
    gas = {"source": hot_address(company), "per_day_wei": str(CAP_WEI)}
    entry = hot_entry(company)
    company.bundle |= {"spending": [entry], "mandates": {"sweep": True, "gas": gas}, **changes}
    desk.get("policy_first", company.policy_first())
    return company


def hot_entry(company: Company) -> Body:
    limits = [{"asset": "ETH/18", "per_payment_units": "1", "per_day_units": "1"}]
    address = hot_address(company)
    return {"index": 0, "address": address, "kind": "hot", "threshold": 1, "limits": limits}


def topup(company: Company, units: int = 10**15, ref: str = "a", **changes: Any) -> Body:
    return {
        "organisation": company.reference,
        "ref": to_hex(keccak256(f"{company.name}/{ref}".encode())),
        "to": {"relay": True},
        "units": str(units),
        "attempt": 0,
        "fees": FEES,
        **changes,
    }


def test_the_relay_and_an_own_deposit_address_are_fed(desk: Desk) -> None:
    company = fed(desk)
    relay = decoded(desk.get("gas_topup", topup(company)), hot_address(company))
    assert Address(bytes(relay["to"])) == desk.house.config.keys.relay
    assert (relay["value"], bytes(relay["data"]), relay["nonce"]) == (10**15, b"", 0)
    body = topup(company, ref="b", to={"deposit": 1})
    deposit = decoded(desk.get("gas_topup", body), hot_address(company))
    assert checksum(Address(bytes(deposit["to"]))) == company.account["addresses"][1]
    assert deposit["nonce"] == 1


def test_a_retry_gets_the_stored_bytes_and_a_bump_feeds_the_same(desk: Desk) -> None:
    company = fed(desk)
    body = topup(company)
    first = desk.get("gas_topup", body)
    assert desk.get("gas_topup", body | {"fees": fees(30_000)}) == first
    bumped = decoded(desk.get("gas_topup", bump(body)), hot_address(company))
    assert (bumped["nonce"], bumped["value"]) == (0, 10**15)
    other = bump(body, 2, 11, units="5")
    assert desk.refused("gas_topup", other) == "signer.content_differs"


def test_the_days_cap_counts_money_fees_and_bumps(desk: Desk) -> None:
    company = fed(desk)
    body = topup(company, CAP_WEI - FEE_WEI - 21_000 * GWEI)
    desk.get("gas_topup", body)
    desk.get("gas_topup", bump(body))
    assert desk.refused("gas_topup", bump(body, 2, 11)) == "signer.gas_budget_spent"
    assert desk.refused("gas_topup", topup(company, 1, "b")) == "signer.gas_budget_spent"
    desk.clock.advance(DAY + 3 * 3600)
    desk.get("gas_topup", topup(company, 1, "b"))


def test_a_stuck_top_up_gives_its_nonce_back_though_the_mandate_is_gone(desk: Desk) -> None:
    company = fed(desk)
    body = topup(company, CAP_WEI - FEE_WEI)
    desk.get("gas_topup", body)
    bundle = company.next_bundle(mandates={"sweep": True})
    desk.get("policy_update", company.policy_update(bundle, company.administrators))
    assert desk.refused("gas_topup", bump(body)) == "signer.mandate_missing"
    ended = bump(body, to={"cancel": True}, units="0")
    found = decoded(desk.get("gas_topup", ended), hot_address(company))
    assert checksum(Address(bytes(found["to"]))) == hot_address(company)
    assert (found["value"], found["nonce"]) == (0, 0)


def test_cancellations_burn_no_more_than_the_days_cap(desk: Desk) -> None:
    company = fed(desk)
    small = topup(company, 1)
    desk.get("gas_topup", small)
    dear = {"attempt": 1, "fees": fees(1_000_000, 99 * GWEI, 9 * GWEI)}
    ended = small | {"to": {"cancel": True}, "units": "0", **dear}
    assert desk.refused("gas_topup", ended) == "signer.gas_budget_spent"
    desk.get("gas_topup", bump(small, to={"cancel": True}, units="0"))
    unknown = topup(company, 0, "b", to={"cancel": True})
    assert desk.refused("gas_topup", unknown) == "signer.ref_unknown"


CASES: dict[str, tuple[Callable[[Company], Body], str]] = {
    "another destination": (
        lambda c: topup(c, to={"address": checksum(STRANGE)}), "protocol_field_invalid"),
    "two destinations": (
        lambda c: topup(c, to={"relay": True, "deposit": 0}), "protocol_field_invalid"),
    "no destination": (lambda c: topup(c, to={}), "protocol_field_invalid"),
    "not the relay": (lambda c: topup(c, to={"relay": False}), "protocol_field_invalid"),
    "a leaf outside the manifest": (lambda c: topup(c, to={"deposit": 2}), "address_unlisted"),
    "a cancellation with money": (lambda c: topup(c, to={"cancel": True}), "units_zero"),
    "nothing": (lambda c: topup(c, 0), "units_zero"),
    "more than the day's cap": (lambda c: topup(c, CAP_WEI), "gas_budget_spent"),
    "a dear fee": (lambda c: topup(c, fees=fees(21_000, 101 * GWEI)), "fee_above_cap"),
    "a tip above the fee": (lambda c: topup(c, fees=fees(21_000, tip=9 * GWEI)),
                            "transaction_invalid"),
    "too little gas": (lambda c: topup(c, fees=fees(20_999)), "transaction_invalid"),
    "call data": (lambda c: topup(c, data="0x00"), "protocol_field_invalid"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_topup_is_refused_without_taking_a_nonce_for(case: str, desk: Desk) -> None:
    company = fed(desk)
    build, code = CASES[case]
    assert desk.refused("gas_topup", build(company)) == f"signer.{code}"


def test_without_the_mandate_or_in_suspension_nobody_is_fed(desk: Desk) -> None:
    assert desk.refused("gas_topup", topup(hot_company(desk))) == "signer.mandate_missing"
    company = fed(desk)
    desk.get("suspend", company.suspension())
    assert desk.refused("gas_topup", topup(company)) == "signer.suspended"


def test_gas_money_is_no_way_around_the_float(desk: Desk) -> None:
    company = fed(desk)
    desk.get("gas_topup", topup(company))
    body = spend(company, hot_intent(company, token=bytes(20), units=2))
    assert desk.refused("spending_payment", body) == "signer.policy_denied"

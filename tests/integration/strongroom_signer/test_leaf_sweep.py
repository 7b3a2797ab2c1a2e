"""P1, P4: a deposit address pays its own vault what was cleared there, and nothing else."""

from typing import Any

from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import SweepRelease
from strongroom_protocol.safe import decode_payment, payment_safe_tx
from strongroom_signer.operations.limits import SWEEP_GAS, spent_units
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import CHAIN_ID, Company, screened
from tests.integration.strongroom_signer.spending import bump
from tests.integration.strongroom_signer.test_relay import GWEI, ask_for, fees, sweep
from tests.integration.strongroom_signer.test_spending import decoded

Body = dict[str, Any]
FEES = fees(80_000)


def leaf_sweep(
    company: Company, units: int = 100, cleared: int = 100, ref: str = "a", **changes: Any
) -> Body:
    """A sweep of the organisation's first deposit address, of its token."""
    address, token = company.account["addresses"][0], changes.pop("token", company.token)
    clearances = [screened(company.deposit_clearance(address, token, cleared))] if cleared else []
    return {
        "organisation": company.reference,
        "ref": to_hex(keccak256(f"{company.name}/{ref}".encode())),
        "index": 0,
        "item": {"token": checksum(token), "units": str(units), "clearances": clearances},
        "attempt": 0,
        "fees": FEES,
        **changes,
    }


def journal_ref(company: Company, body: Body) -> bytes:
    """What `release_sweep` is told."""
    return keccak256(b"leaf_sweep" + company.ref + from_hex(body["ref"]))


def test_a_token_goes_from_the_deposit_address_to_its_own_vault(desk: Desk) -> None:
    company = desk.company()
    answer = desk.get("leaf_sweep", leaf_sweep(company))
    sent = decoded(answer, company.account["addresses"][0])
    paid = payment_safe_tx(company.token, desk.vault(company), 100, 0)
    assert (Address(bytes(sent["to"])), bytes(sent["data"])) == (paid.to, paid.data)
    assert decode_payment(paid).to == desk.vault(company)
    assert (sent["value"], sent["nonce"]) == (0, 0)


def test_coin_goes_as_value_and_only_its_gas_is_counted_as_gas(desk: Desk) -> None:
    company = desk.company()
    units = 10**21  # more than a day's gas of sweeps may be
    body = leaf_sweep(company, units, units, token=ZERO, fees=fees(21_000))
    answer = desk.get("leaf_sweep", body)
    sent = decoded(answer, company.account["addresses"][0])
    assert (Address(bytes(sent["to"])), sent["value"]) == (desk.vault(company), units)
    assert bytes(sent["data"]) == b""
    assert spent_units(desk.house, company.ref, SWEEP_GAS) == 21_000 * 8 * GWEI
    desk.get("leaf_sweep", bump(body))
    assert spent_units(desk.house, company.ref, SWEEP_GAS) == 21_000 * 9 * GWEI


def test_a_retry_gets_the_stored_bytes_and_a_bump_the_same_call(desk: Desk) -> None:
    company = desk.company()
    body = leaf_sweep(company)
    first = desk.get("leaf_sweep", body)
    assert desk.get("leaf_sweep", body) == first
    leaf = company.account["addresses"][0]
    bumped = decoded(desk.get("leaf_sweep", bump(body)), leaf)
    assert (bumped["nonce"], bytes(bumped["to"])) == (0, bytes(company.token))
    ended = decoded(desk.get("leaf_sweep", bump(body, 2, 11, item=None)), leaf)
    assert (checksum(Address(bytes(ended["to"]))), ended["value"]) == (leaf, 0)
    following = leaf_sweep(company, cleared=200, ref="b")
    following["item"]["clearances"][0] = screened(
        company.deposit_clearance(leaf, company.token, 200, tx=2)
    )
    assert decoded(desk.get("leaf_sweep", following), leaf)["nonce"] == 1


def test_both_kinds_of_sweep_share_what_was_cleared(desk: Desk) -> None:
    company = desk.company()
    desk.get("leaf_sweep", leaf_sweep(company, units=60))
    batched = sweep(company, units=41) | {"delegate": []}
    body = ask_for(company, "sweep", "b", **batched)
    assert desk.refused("relay", body) == "signer.units_uncleared"
    batched["items"][0]["units"] = "40"
    desk.get("relay", ask_for(company, "sweep", "b", **batched))


def test_what_did_not_move_is_released_by_the_administrators(desk: Desk) -> None:
    company = desk.company()
    body = leaf_sweep(company)
    desk.get("leaf_sweep", body)
    again = leaf_sweep(company, cleared=0, ref="b")
    assert desk.refused("leaf_sweep", again) == "signer.units_uncleared"
    account, ref = company.account["addresses"][0], journal_ref(company, body)
    word = SweepRelease(company.ref, ref, Address(from_hex(account.lower())), company.token).digest(
        CHAIN_ID
    )
    release = {
        "organisation": company.reference,
        "ref": to_hex(ref),
        "account": account,
        "token": checksum(company.token),
        "signatures": company.signatures(company.administrators, word),
    }
    desk.get("release_sweep", release)
    assert desk.refused("leaf_sweep", bump(body)) == "signer.released"
    desk.get("leaf_sweep", again)

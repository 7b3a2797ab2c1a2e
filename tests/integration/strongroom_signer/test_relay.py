"""P1, P4: the relay key signs known calls only, one nonce a logical transaction for ever."""

from collections.abc import Callable
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.deployment import DEPLOYER, deploy_calldata
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.safe import payment_safe_tx, safe_tx_hash
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import (
    CHAIN_ID,
    STRANGE,
    TUSD,
    Company,
    Key,
    screened,
)

Body = dict[str, Any]
GWEI = 10**9


def fees(gas: int = 2_000_000, fee: int = 8 * GWEI, tip: int = 8 * GWEI) -> dict[str, str]:
    named = {"gas": gas, "max_fee_per_gas": fee, "max_priority_fee_per_gas": tip}
    return {name: str(value) for name, value in named.items()}


def ask_for(company: Company, purpose: str, ref: str = "a", **more: Any) -> Body:
    return {
        "purpose": purpose,
        "ref": to_hex(keccak256(f"{company.name}/{ref}".encode())),
        "attempt": 0,
        "fees": fees(),
        "organisation": company.reference,
        **more,
    }


def cancel(body: Body, attempt: int, gas_fees: Body) -> Body:
    return {"purpose": "cancel", "ref": body["ref"], "attempt": attempt, "fees": gas_fees}


def decoded(answer: Body) -> dict[str, Any]:
    """Read by eth-account, an encoder that is not ours; the sender is checked on the way."""
    raw = from_hex(answer["raw"])
    assert keccak256(raw) == from_hex(answer["hash"])
    assert Account.recover_transaction(raw) == answer["from"]
    found = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    assert found["chainId"] == CHAIN_ID
    assert found["value"] == 0
    assert found["nonce"] == answer["nonce"]
    return dict(found)


def permitted(desk: Desk, company: Company, nonce: int = 0, **changes: Any) -> Body:
    """A payment with its Permit; the body that executes it."""
    intent = company.intent(desk.vault(company), **changes)
    answer = desk.get("vault_permit", company.payment(intent, nonce))
    safe_tx = payment_safe_tx(intent.token, intent.to, intent.units, nonce)
    tx_hash = safe_tx_hash(CHAIN_ID, intent.wallet, safe_tx)
    assert to_hex(tx_hash) == answer["safe_tx_hash"]
    signatures = [key.sign(tx_hash) for key in company.approvers[:2]]
    return {"safe_tx_hash": to_hex(tx_hash), "signatures": signatures}


def sweep(company: Company, units: int = 100, cleared: int = 100, **changes: Any) -> Body:
    address = company.account["addresses"][0]
    clearances = (
        [screened(company.deposit_clearance(address, company.token, cleared))] if cleared else []
    )
    item = {
        "index": 0,
        "token": checksum(company.token),
        "units": str(units),
        "clearances": clearances,
    }
    return {"items": [item | changes], "delegate": [0]}


def test_vault_creation_calls_the_factory_with_the_bundles_own_vault(desk: Desk) -> None:
    company = desk.company()
    found = decoded(desk.get("relay", ask_for(company, "vault_creation")))
    assert Address(bytes(found["to"])) == desk.house.deployment.proxy_factory
    assert bytes(found["data"])[:4].hex() == "1688f0b9"


def test_delegate_deployment_places_the_sweeper_of_this_vault(desk: Desk) -> None:
    company = desk.company()
    found = decoded(desk.get("relay", ask_for(company, "delegate_deployment")))
    assert Address(bytes(found["to"])) == DEPLOYER
    init_code = desk.house.deployment.sweeper_init_code(desk.vault(company))
    assert bytes(found["data"]) == deploy_calldata(init_code)


def test_vault_execution_carries_a_permitted_safe_transaction(desk: Desk) -> None:
    company = desk.company()
    body = ask_for(company, "vault_execution", **permitted(desk, company))
    found = decoded(desk.get("relay", body))
    assert Address(bytes(found["to"])) == desk.vault(company)
    assert bytes(found["data"])[:4].hex() == "6a761202"


def test_sweep_signs_the_leafs_delegation_to_its_own_vaults_sweeper(desk: Desk) -> None:
    company = desk.company()
    answer = desk.get("relay", ask_for(company, "sweep", **sweep(company)))
    found = decoded(answer)
    assert Address(bytes(found["to"])) == desk.house.deployment.batcher
    (signed,) = found["authorizationList"]
    sweeper = desk.house.deployment.sweeper_address(desk.vault(company))
    assert (bytes(signed["address"]), signed["nonce"], signed["chainId"]) == (sweeper, 0, CHAIN_ID)
    assert answer["raw"].startswith("0x04")


def test_a_leaf_that_delegates_again_keeps_its_nonce(desk: Desk) -> None:
    company = desk.company()
    desk.get("relay", ask_for(company, "sweep", **sweep(company, units=40)))
    again = desk.get("relay", ask_for(company, "sweep", "b", **sweep(company, units=60)))
    (signed,) = decoded(again)["authorizationList"]
    assert signed["nonce"] == 0


def test_nonces_have_no_gap_and_a_refusal_takes_none(desk: Desk) -> None:
    company = desk.company()
    first = desk.get("relay", ask_for(company, "vault_creation"))["nonce"]
    dear = ask_for(company, "delegate_deployment", "b", fees=fees(fee=101 * GWEI))
    assert desk.refused("relay", dear) == "signer.fee_above_cap"
    low = ask_for(company, "delegate_deployment", "b", fees=fees(gas=21_000))
    assert desk.refused("relay", low) == "signer.transaction_invalid"
    second = desk.get("relay", ask_for(company, "delegate_deployment", "b"))["nonce"]
    assert second == first + 1


def test_a_retry_gets_the_stored_bytes_and_a_bump_the_same_call(desk: Desk) -> None:
    company = desk.company()
    body = ask_for(company, "vault_creation")
    first = desk.get("relay", body)
    assert desk.get("relay", body) == first
    assert desk.get("relay", body | {"fees": fees(fee=9 * GWEI, tip=9 * GWEI)}) == first
    assert first["fees"] == body["fees"]
    bumped = desk.get("relay", body | {"attempt": 1, "fees": fees(fee=9 * GWEI, tip=9 * GWEI)})
    one, two = decoded(first), decoded(bumped)
    for name in ("to", "data", "value", "nonce", "gas"):
        assert one[name] == two[name]


def test_a_cancel_keeps_the_nonce_and_only_it_can_be_bumped(desk: Desk) -> None:
    company = desk.company()
    body = ask_for(company, "vault_creation")
    first = desk.get("relay", body)
    ended = desk.get("relay", cancel(body, 1, fees(30_000, 9 * GWEI, 9 * GWEI)))
    found = decoded(ended)
    assert ended["nonce"] == first["nonce"]
    assert Address(bytes(found["to"])) == desk.house.config.keys.relay
    assert bytes(found["data"]) == b""
    more = fees(fee=11 * GWEI, tip=11 * GWEI)
    assert desk.refused("relay", body | {"attempt": 2, "fees": more}) == "signer.cancelled"
    desk.get("relay", cancel(body, 2, fees(30_000, 11 * GWEI, 11 * GWEI)))


BUMPS: dict[str, tuple[Callable[[Body], Body], str]] = {
    "fees up by less than an eighth": (
        lambda b: b | {"fees": fees(fee=9 * GWEI - 1, tip=9 * GWEI - 1)}, "bump_too_small"),
    "a tip that stays": (
        lambda b: b | {"fees": fees(fee=9 * GWEI, tip=8 * GWEI)}, "bump_too_small"),
    "another call": (lambda b: b | {"purpose": "delegate_deployment"}, "content_differs"),
    "another gas": (
        lambda b: b | {"fees": fees(1_900_000, 9 * GWEI, 9 * GWEI)}, "content_differs"),
    "a fee above the policy's cap": (
        lambda b: b | {"fees": fees(fee=101 * GWEI, tip=9 * GWEI)}, "fee_above_cap"),
    "a skipped attempt": (lambda b: b | {"attempt": 2}, "attempt_out_of_order"),
    "the first attempt as another call": (
        lambda b: b | {"attempt": 0, "purpose": "delegate_deployment"}, "request_differs"),
}  # fmt: skip


@pytest.mark.parametrize("case", BUMPS)
def test_bump_is_refused_for(case: str, desk: Desk) -> None:
    company = desk.company()
    body = ask_for(company, "vault_creation")
    desk.get("relay", body)
    change, code = BUMPS[case]
    bump = body | {"attempt": 1, "fees": fees(fee=9 * GWEI, tip=9 * GWEI)}
    assert desk.refused("relay", change(bump)) == f"signer.{code}"


def _foreign(company: Company, **changes: Any) -> Body:
    """A sweep with one clearance that says something else."""
    address = company.account["addresses"][0]
    document = company.deposit_clearance(address, TUSD, 100, **changes)
    return sweep(company, clearances=[screened(document)])


CALLS: dict[str, tuple[Callable[[Company], Body], str]] = {
    "an unknown purpose": (lambda c: ask_for(c, "transfer", to=checksum(STRANGE)),
                           "purpose_unknown"),
    "a foreign member": (
        lambda c: ask_for(c, "vault_creation", to=checksum(STRANGE)), "protocol_field_invalid"),
    "a tip above the fee": (
        lambda c: ask_for(c, "vault_creation", fees=fees(tip=9 * GWEI)), "transaction_invalid"),
    "gas times fee above the signed total": (
        lambda c: ask_for(c, "vault_creation", fees=fees(11_000_000, 100 * GWEI)),
        "fee_above_cap"),
    "a cancel of nothing": (
        lambda c: cancel(ask_for(c, "vault_creation"), 0, fees()), "ref_unknown"),
    "a Safe transaction never permitted": (
        lambda c: ask_for(c, "vault_execution", safe_tx_hash="0x" + "11" * 32, signatures=[]),
        "safe_tx_unknown"),
    "units beyond what was cleared": (
        lambda c: ask_for(c, "sweep", **sweep(c, units=101)), "units_uncleared"),
    "units never cleared": (
        lambda c: ask_for(c, "sweep", **sweep(c, cleared=0)), "units_uncleared"),
    "a clearance of another address": (
        lambda c: ask_for(c, "sweep", **_foreign(c, deposit={"address": checksum(STRANGE)})),
        "clearance_differs"),
    "a clearance of another token": (
        lambda c: ask_for(c, "sweep", **_foreign(c, deposit={"token": checksum(ZERO)})),
        "clearance_differs"),
    "a clearance of another chain": (
        lambda c: ask_for(c, "sweep", **_foreign(c, deposit={"chain_id": 1})),
        "clearance_differs"),
    "a deposit with a hit": (
        lambda c: ask_for(c, "sweep", **_foreign(c, verdict="HIT")), "evidence_not_clear"),
    "an unlisted token": (
        lambda c: ask_for(c, "sweep", **sweep(c, token=checksum(STRANGE))), "token_unknown"),
    "a leaf outside the manifest": (
        lambda c: ask_for(c, "sweep", **sweep(c, index=2)), "address_unlisted"),
    "a delegation outside the manifest": (
        lambda c: ask_for(c, "sweep", **sweep(c) | {"delegate": [2]}), "address_unlisted"),
    "a leaf delegating twice": (
        lambda c: ask_for(c, "sweep", **sweep(c) | {"delegate": [0, 0]}), "delegate_twice"),
    "nothing swept": (lambda c: ask_for(c, "sweep", **sweep(c, units=0)), "units_zero"),
    "one address twice in a batch": (
        lambda c: ask_for(c, "sweep", **{**sweep(c, 50), "items": sweep(c, 50)["items"] * 2}),
        "item_twice"),
    "too little gas for the delegations": (
        lambda c: ask_for(c, "sweep", **sweep(c), fees=fees(40_000)), "gas_too_low"),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_relay_refuses_without_taking_a_nonce(case: str, desk: Desk) -> None:
    company = desk.company()
    build, code = CALLS[case]
    assert desk.refused("relay", build(company)) == f"signer.{code}"


def test_a_deposit_counts_once_however_often_its_clearance_is_shown(desk: Desk) -> None:
    company = desk.company()
    desk.get("relay", ask_for(company, "sweep", **sweep(company)))
    again = ask_for(company, "sweep", "b", **sweep(company, units=1))
    assert desk.refused("relay", again) == "signer.units_uncleared"
    inflated = ask_for(company, "sweep", "b", **sweep(company, units=1, cleared=1_000))
    assert desk.refused("relay", inflated) == "signer.clearance_differs"


def test_without_the_mandate_nothing_is_swept(desk: Desk) -> None:
    company = desk.company(founded=False)
    company.bundle["mandates"] = {"sweep": False}
    desk.get("policy_first", company.policy_first())
    body = ask_for(company, "sweep", **sweep(company))
    assert desk.refused("relay", body) == "signer.mandate_missing"


def test_execution_needs_the_owners_and_stays_under_the_intents_fee(desk: Desk) -> None:
    company = desk.company()
    known = permitted(desk, company, max_fee_wei=10**16)
    digest = from_hex(known["safe_tx_hash"])
    stranger = [company.approvers[0].sign(digest), Key.named("stranger").sign(digest)]
    body = ask_for(company, "vault_execution", **known)
    assert desk.refused("relay", body | {"signatures": stranger}) == "signer.owner_unknown"
    one = known["signatures"][:1] * 2
    assert desk.refused("relay", body | {"signatures": one}) == "signer.signatures_missing"
    assert desk.refused("relay", body) == "signer.fee_above_cap"
    desk.get("relay", body | {"fees": fees(gas=1_000_000)})


def test_an_expired_permit_is_not_sent(desk: Desk) -> None:
    company = desk.company()
    known = permitted(desk, company, valid_until=company.now + 60)
    desk.clock.advance(61)
    body = ask_for(company, "vault_execution", **known)
    assert desk.refused("relay", body) == "signer.permit_expired"


def test_another_organisations_permit_is_unknown(desk: Desk) -> None:
    mine, theirs = desk.company(), desk.company()
    body = ask_for(mine, "vault_execution", **permitted(desk, theirs))
    assert desk.refused("relay", body) == "signer.safe_tx_unknown"


def test_gas_money_is_not_burnt_by_the_same_call_again_and_again(desk: Desk) -> None:
    company = desk.company()
    for ref in ("a", "b", "c"):
        desk.get("relay", ask_for(company, "vault_creation", ref))
    fourth = ask_for(company, "vault_creation", "d")
    assert desk.refused("relay", fourth) == "signer.tried_too_often"

"""P1: what the signer signs does on a real node what the people meant, and nothing is missing."""

import json
from pathlib import Path
from typing import Any

from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.deployment import DEPLOYER, deploy_calldata
from tests.factories.parts.anvil import Chain
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import SHIPPER
from tests.integration.strongroom_signer.spending import (
    bump,
    cancelled,
    hot_address,
    hot_company,
    hot_intent,
    spend,
)
from tests.integration.strongroom_signer.test_relay import (
    GWEI,
    Body,
    ask_for,
    cancel,
    fees,
    permitted,
    sweep,
)

DOLLAR = Path(__file__).parents[3] / "scripts" / "first_day" / "test_dollar.json"


def _from_node(chain: Chain, data: bytes, to: Address | None = None, value: int = 0) -> Any:
    call = {"from": chain.accounts()[0], "data": "0x" + data.hex(), "value": hex(value)}
    if to is not None:
        call["to"] = checksum(to)
    sent = chain.rpc("eth_sendTransaction", call)
    chain.mine()
    receipt: Any = chain.rpc("eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"
    return receipt


def _token(chain: Chain) -> Address:
    owner = parse_address(chain.accounts()[0])
    code = bytes.fromhex(json.loads(DOLLAR.read_text())["creation"][2:])
    return parse_address(_from_node(chain, code + abi.address(owner))["contractAddress"])


def _held(chain: Chain, token: Address, account: Address) -> int:
    data = abi.call("balanceOf(address)", abi.address(account))
    call = {"to": checksum(token), "data": "0x" + data.hex()}
    return int(str(chain.rpc("eth_call", call, "latest")), 16)


def _send(chain: Chain, answer: Body) -> None:
    assert chain.rpc("eth_sendRawTransaction", answer["raw"]) == answer["hash"]
    chain.mine()
    receipt: Any = chain.rpc("eth_getTransactionReceipt", answer["hash"])
    assert receipt["status"] == "0x1"


def test_deposit_is_swept_and_paid_out_by_two_of_three(desk: Desk, anvil: Chain) -> None:
    house = desk.house
    relay = house.config.keys.relay
    token = _token(anvil)
    _from_node(anvil, b"", relay, 10**20)
    for code in house.deployment.platform().values():
        _from_node(anvil, deploy_calldata(code), DEPLOYER)
    company = desk.company(token=token)
    vault, leaf = desk.vault(company), parse_address(company.account["addresses"][0])

    created = desk.get("relay", ask_for(company, "vault_creation"))
    anvil.rpc("anvil_setNonce", checksum(relay), hex(created["nonce"]))
    _send(anvil, created)
    _send(anvil, desk.get("relay", ask_for(company, "delegate_deployment", "b")))

    mint = abi.call("mint(address,uint256)", abi.address(leaf), abi.uint(1_500_000))
    _from_node(anvil, mint, token)
    swept = ask_for(company, "sweep", "c", **sweep(company, 1_500_000, 1_500_000))
    _send(anvil, desk.get("relay", swept))
    assert (_held(anvil, token, leaf), _held(anvil, token, vault)) == (0, 1_500_000)

    known = permitted(desk, company, units=1_000_000)
    bumped = ask_for(company, "vault_execution", "d", **known)
    desk.get("relay", bumped)
    more = {"attempt": 1, "fees": fees(fee=9 * GWEI, tip=9 * GWEI)}
    _send(anvil, desk.get("relay", bumped | more))
    assert _held(anvil, token, SHIPPER) == 1_000_000

    intent = company.intent(vault, units=400_000)
    desk.get("vault_permit", company.payment(intent, 1))
    rejection = company.rejection(intent, 1)
    permit = desk.get("vault_permit", rejection)
    signatures = [approval["safe_tx_signature"] for approval in rejection["approvals"]]
    consumed = {"safe_tx_hash": permit["safe_tx_hash"], "signatures": signatures}
    _send(anvil, desk.get("relay", ask_for(company, "vault_execution", "e", **consumed)))
    assert _held(anvil, token, vault) == 500_000

    ended = ask_for(company, "vault_creation", "f")
    desk.get("relay", ended)
    _send(anvil, desk.get("relay", cancel(ended, 1, fees(21_000, 9 * GWEI, 9 * GWEI))))


def test_a_spending_key_pays_token_and_ether_and_cancels_under_one_nonce(
    desk: Desk, anvil: Chain
) -> None:
    token = _token(anvil)
    company = hot_company(desk, token=token)
    wallet = parse_address(hot_address(company))
    _from_node(anvil, b"", wallet, 10**18)
    _from_node(
        anvil, abi.call("mint(address,uint256)", abi.address(wallet), abi.uint(10**6)), token
    )
    before = int(str(anvil.rpc("eth_getBalance", checksum(SHIPPER), "latest")), 16)

    body = spend(company, hot_intent(company, units=400_000))
    desk.get("spending_payment", body)
    _send(anvil, desk.get("spending_payment", bump(body)))
    assert (_held(anvil, token, SHIPPER), _held(anvil, token, wallet)) == (400_000, 600_000)

    _send(anvil, desk.get("spending_payment", spend(company, hot_intent(company, token=ZERO))))
    paid = int(str(anvil.rpc("eth_getBalance", checksum(SHIPPER), "latest")), 16) - before
    assert paid == 1_000_000

    dropped = spend(company, hot_intent(company, units=600_000))
    desk.get("spending_payment", dropped)
    _send(anvil, desk.get("spending_payment", cancelled(dropped)))
    assert _held(anvil, token, wallet) == 600_000
    assert int(str(anvil.rpc("eth_getTransactionCount", checksum(wallet), "latest")), 16) == 3

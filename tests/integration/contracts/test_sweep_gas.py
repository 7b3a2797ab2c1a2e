"""What hundreds of addresses in one transaction cost: the gas that sweeps are planned with."""

from collections.abc import Sequence
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from strongroom.deposits import batches
from tests.factories.parts.anvil import Chain
from tests.integration.contracts.stage import ZERO, Stage, call_data, creation_of, person

SWEPT = "0x" + keccak(text="Swept(address,address,address,uint256,uint256)").hex()
MANY = 200


def send(
    stage: Stage,
    items: Sequence[tuple[str, str, int]],
    leaves: Sequence[LocalAccount],
    delegate: str,
) -> dict[str, Any]:
    """The relay's transaction with exactly the gas that a plan gives it."""
    chain_id = stage.chain.chain_id
    authorise = {"chainId": chain_id, "address": delegate, "nonce": 0}
    nonce = int(str(stage.chain.rpc("eth_getTransactionCount", stage.relay.address, "latest")), 16)
    data = keccak(text="sweep((address,address,uint256)[])")[:4]
    native = sum(token == ZERO for _, token, _ in items)
    transaction: dict[str, Any] = {
        "type": 4 if leaves else 2,
        "chainId": chain_id,
        "nonce": nonce,
        "to": stage.batcher,
        "value": 0,
        "gas": batches.gas_of(native, len(items) - native, len(leaves)),
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
        "data": data + encode(["(address,address,uint256)[]"], [items]),
        "accessList": [],
    }
    if leaves:
        transaction["authorizationList"] = [leaf.sign_authorization(authorise) for leaf in leaves]
    signed = Account.sign_transaction(transaction, stage.relay.key)
    return stage.send_raw(bytes(signed.raw_transaction))


@pytest.mark.parametrize("coin", [True, False])
def test_hundreds_of_addresses_are_swept_in_one_transaction_with_the_gas_of_the_plan(
    anvil: Chain, coin: bool
) -> None:
    """First with their authorisations, then without: each under a transaction's cap (EIP-7825)."""
    stage = Stage(anvil)
    initializer = stage.initializer([person("payee").address])
    stage.create_vault(initializer, 1)
    vault = stage.vault_address(initializer, 1)
    delegate = stage.deploy(creation_of("SweepDelegate", vault, stage.batcher))
    leaves = [person(f"leaf {number}") for number in range(MANY)]

    def fund(leaf: LocalAccount) -> None:
        if coin:
            anvil.rpc("anvil_setBalance", leaf.address, hex(10))
        else:
            mint = call_data("mint(address,uint256)", leaf.address, 10)
            stage.send({"to": stage.dollar, "data": "0x" + mint.hex()})

    for fresh in (True, False):
        leaves = leaves[: batches.most(native=coin, fresh=fresh)]
        count = len(leaves)
        taken = leaves
        for leaf in taken:
            fund(leaf)
        token = ZERO if coin else stage.dollar
        items = [(leaf.address, token, 10) for leaf in taken]
        receipt = send(stage, items, taken if fresh else (), delegate)
        gas, used = (
            batches.gas_of(*((count, 0) if coin else (0, count)), count * fresh),
            int(receipt["gasUsed"], 16),
        )
        swept = [log for log in receipt["logs"] if log["topics"][0] == SWEPT]
        assert (receipt["status"], len(swept)) == ("0x1", count)
        assert used * 5 <= gas * 4, "a fifth is left for tokens that cost more than ours"
        assert gas <= batches.GAS_MAX

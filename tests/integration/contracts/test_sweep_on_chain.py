"""A deposit address without any coin of its own is swept through EIP-7702 on a real node."""

from collections.abc import Sequence
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from tests.factories.parts.anvil import Chain
from tests.integration.contracts.stage import (
    ARTIFACTS,
    ZERO,
    Stage,
    call_data,
    creation_of,
    person,
)

SWEPT = "0x" + keccak(text="Swept(address,address,address,uint256,uint256)").hex()
FAILED = "0x" + keccak(text="SweepFailed(address,address,uint256,bytes)").hex()


@pytest.fixture
def stage(anvil: Chain) -> Stage:
    return Stage(anvil)


@pytest.fixture
def vault(stage: Stage) -> str:
    initializer = stage.initializer([person("payee").address])
    stage.create_vault(initializer, 1)
    return stage.vault_address(initializer, 1)


@pytest.fixture
def delegate(stage: Stage, vault: str) -> str:
    return stage.deploy(creation_of("SweepDelegate", vault, stage.batcher))


def sweep(
    stage: Stage, items: Sequence[tuple[str, str, int]], leaf: LocalAccount, delegate: str
) -> dict[str, Any]:
    """One type-4 transaction of the relay: the leaf's authorisation and the batch."""
    authorisation = leaf.sign_authorization(
        {"chainId": stage.chain.chain_id, "address": delegate, "nonce": 0}
    )
    nonce = int(str(stage.chain.rpc("eth_getTransactionCount", stage.relay.address, "latest")), 16)
    data = keccak(text="sweep((address,address,uint256)[])")[:4]
    data += encode(["(address,address,uint256)[]"], [items])
    transaction = {
        "type": 4,
        "chainId": stage.chain.chain_id,
        "nonce": nonce,
        "to": stage.batcher,
        "value": 0,
        "gas": 1_500_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
        "data": data,
        "accessList": [],
        "authorizationList": [authorisation],
    }
    signed = Account.sign_transaction(transaction, stage.relay.key)
    return stage.send_raw(bytes(signed.raw_transaction))


def test_a_leaf_without_coin_is_swept_to_the_unit(stage: Stage, vault: str, delegate: str) -> None:
    leaf = person("leaf")
    mint = call_data("mint(address,uint256)", leaf.address, 5_000_000)
    stage.send({"to": stage.dollar, "data": "0x" + mint.hex()})
    assert stage.balance(leaf.address) == 0

    receipt = sweep(stage, [(leaf.address, stage.dollar, 4_000_000)], leaf, delegate)

    assert receipt["status"] == "0x1"
    assert stage.code(leaf.address) == bytes.fromhex("ef0100" + delegate[2:])
    assert stage.units(vault) == 4_000_000
    assert stage.units(leaf.address) == 1_000_000, "the quarantined part stays behind"
    assert stage.balance(leaf.address) == 0
    (swept,) = [log for log in receipt["logs"] if log["topics"][0] == SWEPT]
    assert swept["address"] == stage.batcher.lower()
    assert [topic[-40:] for topic in swept["topics"][1:]] == [
        address[2:].lower() for address in (leaf.address, stage.dollar, vault)
    ]
    assert decode(["uint256", "uint256"], bytes.fromhex(swept["data"][2:])) == (
        4_000_000,
        4_000_000,
    )


def test_native_coin_is_swept_and_a_bad_item_stays_alone(
    stage: Stage, vault: str, delegate: str
) -> None:
    leaf = person("leaf")
    stage.send({"to": leaf.address, "value": hex(10**17)})
    items = [(person("nobody").address, ZERO, 1), (leaf.address, ZERO, 10**17)]
    receipt = sweep(stage, items, leaf, delegate)
    assert receipt["status"] == "0x1"
    assert [
        log["topics"][0] for log in receipt["logs"] if log["address"] == stage.batcher.lower()
    ] == [FAILED, SWEPT]
    assert stage.balance(vault) == 10**17
    assert stage.balance(leaf.address) == 0


def test_a_delegated_leaf_pays_no_stranger(stage: Stage, vault: str, delegate: str) -> None:
    leaf = person("leaf")
    sweep(stage, [], leaf, delegate)
    stage.send({"to": leaf.address, "value": hex(10**17)})
    steal = call_data("sweep(address,uint256)", ZERO, 10**17)
    assert stage.send({"to": leaf.address, "data": "0x" + steal.hex()})["status"] == "0x0"
    assert stage.balance(leaf.address) == 10**17
    assert stage.balance(vault) == 0


def test_the_delegates_code_hash_is_computable_offline(
    stage: Stage, vault: str, delegate: str
) -> None:
    entry = ARTIFACTS["SweepDelegate"]
    code = bytearray.fromhex(entry["runtime_template"][2:])
    for name, address in (("vault", vault), ("batcher", stage.batcher)):
        for start in entry["immutables"][name]:
            code[start : start + 32] = bytes.fromhex(address[2:]).rjust(32, b"\0")
    assert bytes(code) == stage.code(delegate)
    (named,) = stage.read(stage.batcher, call_data("delegateOf(address)", vault), ["address"])
    assert named == delegate.lower()

"""`strongroom deploy`: Safe's own code, the officers' anchor, and every address written down."""

import json

import pytest
from eth_abi.abi import decode, encode

from strongroom.bootstrap.deploy import OFFICIAL_CODE_HASHES, CodeDiffers, Report, deploy
from strongroom.config import Config
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.deployment import artifacts
from strongroom_protocol.hashing import keccak256
from tests.factories.stage import Stage

NAMES = {"SafeL2", "SafeProxyFactory", "MultiSendCallOnly", "VaultExit", "VaultSetup"} | {
    "PermitGuard",
    "SweepBatcher",
    "LogAnchor",
}


def again(stage: Stage) -> Report:
    house = stage.house
    config = Config.from_environment(house.environment("relay"))
    key = house.folder / "deployer.key"
    return deploy(config, key, fund_relay_wei=0, progress=lambda _: None)


def ask(stage: Stage, address: Address, signature: str, argument: str | None = None) -> bytes:
    data = keccak256(signature.encode())[:4]
    if argument is not None:
        data += encode(["address"], [argument])
    return stage.house.node.call(address, data)


@pytest.fixture
def places(stage: Stage) -> dict[str, Address]:
    return {placed.name: placed.address for placed in again(stage).contracts}


def test_every_contract_stands_and_safes_code_is_the_official_one(stage, places):
    assert set(places) == NAMES
    for name, code_hash in OFFICIAL_CODE_HASHES.items():
        assert keccak256(stage.house.node.code(places[name])) == code_hash
        assert artifacts()[name]["runtime_keccak"] == "0x" + code_hash.hex()


def test_the_anchor_obeys_the_signers_officers_and_its_relay(stage, places):
    status, anchor = stage.house.signer.status(), places["LogAnchor"]
    assert status["officers"]
    assert decode(["uint256"], ask(stage, anchor, "quorum()")) == (status["officer_quorum"],)
    (writer,) = decode(["address"], ask(stage, anchor, "writer()"))
    assert writer == status["keys"]["relay"].lower()
    for officer in status["officers"]:
        assert decode(["bool"], ask(stage, anchor, "isOfficer(address)", officer)) == (True,)
    stranger = "0x" + "11" * 20
    assert decode(["bool"], ask(stage, anchor, "isOfficer(address)", stranger)) == (False,)


def test_the_addresses_are_in_the_audit_log(stage, places):
    rows = stage.house.query(
        "SELECT record FROM log_pending UNION ALL SELECT record FROM log_record"
    )
    records = [json.loads(bytes(record)) for (record,) in rows]
    bodies = [one["body"] for one in records if one["action"] == "platform.deployed"]
    written = {name: checksum(address) for name, address in places.items()}
    assert bodies
    assert all(body["contracts"] == written for body in bodies)


@pytest.mark.parametrize("name", ["SafeL2", "MultiSendCallOnly", "PermitGuard", "LogAnchor"])
def test_another_code_at_an_address_is_refused(name, stage, places):
    place, code = "0x" + places[name].hex(), stage.house.node.code(places[name])
    stage.chain.rpc("anvil_setCode", place, "0x" + (code[:-1] + bytes([code[-1] ^ 1])).hex())
    try:
        with pytest.raises(CodeDiffers, match=name):
            again(stage)
    finally:
        stage.chain.rpc("anvil_setCode", place, "0x" + code.hex())
    assert not any(placed.made for placed in again(stage).contracts)

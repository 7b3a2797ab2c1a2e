"""The vault stands where it was computed and is the people's; the platform is deployed once."""

import pytest

from strongroom.bootstrap.deploy import deploy
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.kit.ids import HOUSE
from strongroom.vaults import service as vaults
from strongroom.vaults.errors import PlatformDiffers
from strongroom.vaults.platform_check import PlatformCheck
from strongroom.vaults.types import Platform
from strongroom_protocol.addresses import Address
from strongroom_protocol.deployment import runtime_keccak
from strongroom_protocol.hashing import keccak256
from tests.factories.stage import Stage

OWNERS = keccak256(b"getOwners()")[:4]
THRESHOLD = keccak256(b"getThreshold()")[:4]


def test_the_vault_stands_where_it_was_computed_and_belongs_to_the_people(stage: Stage):
    vault, node = stage.current_vault(), stage.house.node
    assert vault.state == "active"
    assert node.code(vault.address)
    answer = node.call(vault.address, OWNERS)
    owners = {answer[start + 12 : start + 32].hex() for start in range(64, len(answer), 32)}
    assert owners == {one[2:].lower() for one in vault.owners}
    assert int.from_bytes(node.call(vault.address, THRESHOLD), "big") == vault.threshold == 2
    with stage.unit() as uow:
        deployment = vaults.platform(uow, vault.chain_id).deployment
    expected = runtime_keccak("SweepDelegate", vault=vault.address, batcher=deployment.batcher)
    assert keccak256(node.code(vault.sweeper)) == expected


def test_asking_again_answers_the_same_vault(stage: Stage):
    with stage.unit() as uow:
        assert vaults.request(uow) == stage.current_vault()


def test_the_vault_is_watched_from_the_commit_that_made_its_row(stage: Stage):
    rows = stage.house.query(
        "SELECT kind FROM watched_address WHERE address = %s", stage.vault.address
    )
    assert rows == [("vault",)]


def test_deploying_again_changes_nothing(stage: Stage):
    house, height = stage.house, stage.chain.height()
    config = Config.from_environment(house.environment("relay"))
    report = deploy(
        config, house.folder / "deployer.key", fund_relay_wei=10**18, progress=lambda _: None
    )
    assert not any(one.made for one in report.contracts)
    assert report.relay_funded_wei == 0
    assert stage.chain.height() == height


def test_a_signer_with_other_keys_is_noticed(stage: Stage):
    with stage.unit() as uow:
        found = vaults.platform(uow, stage.chain.chain_id)
    other = Platform(found.chain_id, Address(bytes([9]) * 20), found.permit_signer, 1)
    with (
        pytest.raises(PlatformDiffers),
        stage.house.role("relay").unit(HOUSE, system("test")) as uow,
    ):
        vaults.record_platform(uow, other)
    check = PlatformCheck(stage.house.role("relay"), stage.house.signer, found.chain_id)
    assert check.step() is False
    wrong_chain = PlatformCheck(stage.house.role("relay"), stage.house.signer, 1)
    with pytest.raises(PlatformDiffers):
        wrong_chain.step()


def test_the_gas_that_is_allowed_leaves_room(stage: Stage):
    rows = stage.house.query(
        "SELECT o.purpose, a.gas, o.mined_hash FROM outgoing o JOIN outgoing_attempt a"
        " ON a.hash = o.mined_hash ORDER BY o.purpose"
    )
    assert [row[0] for row in rows] == ["delegate_deployment", "vault_creation"]
    for purpose, gas, tx_hash in rows:
        receipt = stage.chain.rpc("eth_getTransactionReceipt", "0x" + bytes(tx_hash).hex())
        assert isinstance(receipt, dict)
        used = int(receipt["gasUsed"], 16)
        assert used * 5 < gas * 4, f"{purpose} used {used} of {gas}"

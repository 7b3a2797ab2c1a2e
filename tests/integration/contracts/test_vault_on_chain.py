"""A vault on a real node: born at its offline address, paid out by two people and a Permit."""

import json

import pytest
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from tests.factories.parts.anvil import Chain
from tests.integration.contracts.stage import (
    ARTIFACTS,
    REPOSITORY,
    ZERO,
    Stage,
    call_data,
    person,
    sign,
)

SALT_NONCE = 2**255 + 17
OFFICIAL = (
    REPOSITORY / "contracts/node_modules/@safe-global/safe-smart-account/build/artifacts/contracts"
)


@pytest.fixture(scope="module")
def stage(anvil_of_module: Chain) -> Stage:
    return Stage(anvil_of_module)


@pytest.fixture(scope="module")
def payee() -> str:
    return str(person("payee").address)


@pytest.fixture(scope="module")
def vault(stage: Stage, payee: str) -> str:
    """A vault with 5 ETH and 1,000 TUSD, at the address computed before it existed."""
    initializer = stage.initializer([payee])
    address = stage.vault_address(initializer, SALT_NONCE)
    assert stage.code(address) == b""
    assert stage.create_vault(initializer, SALT_NONCE)["status"] == "0x1"
    stage.send({"to": address, "value": hex(5 * 10**18)})
    mint = call_data("mint(address,uint256)", address, 1_000_000_000)
    stage.send({"to": stage.dollar, "data": "0x" + mint.hex()})
    return address


def people_sign(people: list[LocalAccount], digest: bytes) -> bytes:
    return b"".join(sign(one, digest) for one in people)


def test_safe_is_the_official_bytecode(stage: Stage) -> None:
    paths = {"SafeL2": "SafeL2.sol/SafeL2.json"}
    paths["SafeProxyFactory"] = "proxies/SafeProxyFactory.sol/SafeProxyFactory.json"
    deployed = {"SafeL2": stage.safe_l2, "SafeProxyFactory": stage.factory}
    for name, path in paths.items():
        official = json.loads((OFFICIAL / path).read_text())
        assert ARTIFACTS[name]["creation"] == official["bytecode"]
        code = stage.code(deployed[name])
        assert "0x" + code.hex() == official["deployedBytecode"]
        assert "0x" + keccak(code).hex() == ARTIFACTS[name]["runtime_keccak"]


def test_our_code_hashes_are_computable_offline(stage: Stage) -> None:
    deployed = {"VaultExit": stage.exit, "VaultSetup": stage.setup}
    for name, address in (deployed | {"MultiSendCallOnly": stage.multi_send}).items():
        assert "0x" + keccak(stage.code(address)).hex() == ARTIFACTS[name]["runtime_keccak"]
    template = bytearray.fromhex(ARTIFACTS["SweepBatcher"]["runtime_template"][2:])
    for start in ARTIFACTS["SweepBatcher"]["immutables"]["relay"]:
        template[start : start + 32] = bytes.fromhex(stage.relay.address[2:]).rjust(32, b"\0")
    assert bytes(template) == stage.code(stage.batcher)


def test_the_factory_makes_the_proxy_that_the_artifact_names(stage: Stage) -> None:
    (creation,) = stage.read(stage.factory, call_data("proxyCreationCode()"), ["bytes"])
    assert "0x" + creation.hex() == ARTIFACTS["SafeProxy"]["creation"]


def test_a_vault_stands_where_its_initializer_says(stage: Stage, vault: str, payee: str) -> None:
    assert "0x" + keccak(stage.code(vault)).hex() == ARTIFACTS["SafeProxy"]["runtime_keccak"]
    owners, threshold = (
        stage.read(vault, call_data(f"{name}()"), [kind])[0]
        for name, kind in (("getOwners", "address[]"), ("getThreshold", "uint256"))
    )
    assert sorted(owners) == sorted(one.address.lower() for one in stage.people)
    assert threshold == 2
    signer = stage.read(
        stage.guard, call_data("vaultOf(address)", vault), ["(address,uint64,address,bytes32)"]
    )[0][0]
    assert signer == stage.permit_signer.address.lower()
    changed = stage.initializer([payee, person("an accomplice").address])
    assert stage.vault_address(changed, SALT_NONCE) != vault
    assert stage.vault_address(stage.initializer([payee]), SALT_NONCE + 1) != vault


def test_two_people_and_the_permit_pay_once(stage: Stage, vault: str, payee: str) -> None:
    """P1 on chain: not without the Permit, not with another key's; then once, never again."""
    data = call_data("transfer(address,uint256)", payee, 250_000_000)
    nonce = stage.read(vault, call_data("nonce()"), ["uint256"])[0]
    digest = stage.safe_tx_digest(vault, stage.dollar, 0, data, nonce)
    (on_chain,) = stage.read(
        vault,
        call_data(
            "getTransactionHash(address,uint256,bytes,uint8,uint256,uint256,uint256,address,"
            "address,uint256)",
            *(stage.dollar, 0, data, 0, 0, 0, 0, ZERO, ZERO, nonce),
        ),
        ["bytes32"],
    )
    assert on_chain == digest
    people = people_sign(stage.people[:2], digest)
    three = people_sign(stage.people, digest)
    forged = people + stage.permit(vault, digest, person("a thief"))
    good = people + stage.permit(vault, digest, stage.permit_signer)
    alone = people_sign(stage.people[:1], digest) + good[130:]
    for refused in (people, three, forged, alone):
        receipt = stage.execute(vault, stage.dollar, 0, data, refused)
        assert receipt["status"] == "0x0"
        assert stage.units(payee) == 0

    receipt = stage.execute(vault, stage.dollar, 0, data, good)
    assert receipt["status"] == "0x1"
    assert int(receipt["gasUsed"], 16) < 250_000
    assert stage.units(payee) == 250_000_000
    assert stage.units(vault) == 750_000_000

    assert stage.execute(vault, stage.dollar, 0, data, good)["status"] == "0x0"
    assert stage.units(payee) == 250_000_000


def test_native_coin_leaves_to_an_allowed_destination_only(
    stage: Stage, vault: str, payee: str
) -> None:
    for to, status in ((person("a stranger").address, "0x0"), (payee, "0x1")):
        nonce = stage.read(vault, call_data("nonce()"), ["uint256"])[0]
        digest = stage.safe_tx_digest(vault, to, 10**18, b"", nonce)
        signatures = people_sign(stage.people[:2], digest)
        signatures += stage.permit(vault, digest, stage.permit_signer)
        assert stage.execute(vault, to, 10**18, b"", signatures)["status"] == status
    assert stage.balance(payee) == 10**18
    assert stage.balance(vault) == 4 * 10**18

from dataclasses import replace

import pytest
from eth_abi.abi import encode as abi_encode

from strongroom_protocol.addresses import ZERO, Address, checksum, create2
from strongroom_protocol.authority import Bundle
from strongroom_protocol.deployment import (
    DEPLOYER,
    SALT,
    Deployment,
    SweepItem,
    artifacts,
    creation,
    deploy_calldata,
    runtime_keccak,
    sweep_calldata,
)
from strongroom_protocol.hashing import keccak256
from tests.unit.strongroom_protocol.organisation import (
    CHAIN_ID,
    PAYEE,
    PERMIT_SIGNER,
    TOKEN,
    bundle,
)

RELAY, OTHER = Address(b"\x0a" * 20), Address(b"\x0c" * 20)
PLATFORM = Deployment(CHAIN_ID, RELAY)
BUNDLE = bundle()


def test_the_official_bytecode_gives_the_known_addresses():
    assert checksum(PLATFORM.safe_singleton) == "0x13C1aa76867b98E21c443e5d461f07925C3c2163"
    assert checksum(PLATFORM.proxy_factory) == "0x34aeE8688B23516f9cD8F145D52D5a13080028D2"


def test_every_platform_contract_stands_where_the_deployer_puts_it():
    places = [
        PLATFORM.safe_singleton,
        PLATFORM.proxy_factory,
        PLATFORM.multi_send,
        PLATFORM.exit,
        PLATFORM.vault_setup,
        PLATFORM.guard,
        PLATFORM.batcher,
    ]
    for place, code in zip(places, PLATFORM.platform().values(), strict=True):
        calldata = deploy_calldata(code)
        assert create2(DEPLOYER, calldata[:32], calldata[32:]) == place


def test_the_vault_follows_from_people_guard_key_and_lists():
    vault = BUNDLE.vault
    kinds = ["address", "address", "address", "(address,uint128)[]", "address[]", "address[]"]
    limits = [(ZERO, 1500), (TOKEN, 2_000_000)]
    lists = [limits, list(vault.destinations), list(vault.freezers)]
    install = keccak256(f"install({','.join(kinds)})".encode())[:4] + abi_encode(
        kinds, [PLATFORM.guard, PLATFORM.exit, PERMIT_SIGNER, *lists]
    )
    initializer = bytes.fromhex("b63e800d") + abi_encode(
        ["address[]", "uint256", "address", "bytes", *["address"] * 2, "uint256", "address"],
        [list(vault.owners), 2, PLATFORM.vault_setup, install, ZERO, ZERO, 0, ZERO],
    )
    assert PLATFORM.vault_initializer(BUNDLE) == initializer
    salt = keccak256(keccak256(initializer) + vault.salt)
    code = creation("SafeProxy") + PLATFORM.safe_singleton.rjust(32, b"\0")
    assert PLATFORM.vault_address(BUNDLE) == create2(PLATFORM.proxy_factory, salt, code)
    assert PLATFORM.create_vault_calldata(BUNDLE) == bytes.fromhex("1688f0b9") + abi_encode(
        ["address", "bytes", "uint256"],
        [PLATFORM.safe_singleton, initializer, int.from_bytes(vault.salt, "big")],
    )


def changed(**changes) -> Bundle:
    return replace(BUNDLE, vault=replace(BUNDLE.vault, **changes))


@pytest.mark.parametrize(
    "other",
    [
        changed(threshold=1), changed(salt=bytes(32)), changed(owners=BUNDLE.vault.owners[:2]),
        changed(limits=BUNDLE.vault.limits[:1]), changed(destinations=(PAYEE,)),
        changed(permit_signer=OTHER), changed(freezers=(OTHER,)),
    ],
)  # fmt: skip
def test_other_people_or_lists_are_another_vault(other):
    assert PLATFORM.vault_address(other) != PLATFORM.vault_address(BUNDLE)


def test_another_relay_is_another_sweeper_and_the_same_vault():
    vault = PLATFORM.vault_address(BUNDLE)
    other = replace(PLATFORM, relay=OTHER)
    assert other.vault_address(BUNDLE) == vault
    assert other.sweeper_address(vault) != PLATFORM.sweeper_address(vault)
    assert PLATFORM.sweeper_address(PAYEE) != PLATFORM.sweeper_address(vault)


def test_later_versions_of_the_bundle_have_the_same_vault():
    book = [*BUNDLE.document()["address_book"], {"address": "0x" + "44" * 20, "label": "new"}]
    assert PLATFORM.vault_address(bundle(version=2, address_book=book)) == (
        PLATFORM.vault_address(BUNDLE)
    )


def test_a_safe_that_was_taken_in_stands_where_it_stood():
    assert PLATFORM.vault_address(changed(adopted=OTHER, salt=bytes(32))) == OTHER


def test_the_anchor_follows_from_officers_quorum_and_relay():
    kinds, listed = ["address[]", "uint256", "address"], [RELAY, OTHER]
    code = creation("LogAnchor") + abi_encode(kinds, [listed, 2, RELAY])
    assert PLATFORM.anchor_init_code(listed[::-1], 2) == code
    assert PLATFORM.anchor_address(listed, 2) == create2(DEPLOYER, SALT, code)


def test_the_sweeper_is_bound_to_vault_and_batcher():
    vault = PLATFORM.vault_address(BUNDLE)
    code = creation("SweepDelegate") + abi_encode(["address"] * 2, [vault, PLATFORM.batcher])
    assert PLATFORM.sweeper_init_code(vault) == code
    assert PLATFORM.sweeper_address(vault) == create2(DEPLOYER, SALT, code)


def test_sweep_calldata_equals_eth_abi():
    items = [SweepItem(PAYEE, ZERO, 5), SweepItem(TOKEN, TOKEN, 2**256 - 1)]
    rows = [(item.account, item.token, item.units) for item in items]
    assert sweep_calldata(items) == bytes.fromhex("24a6778e") + abi_encode(
        ["(address,address,uint256)[]"], [rows]
    )


def test_code_hashes_with_immutables_depend_on_them():
    fixed = bytes.fromhex(artifacts()["VaultExit"]["runtime_keccak"][2:])
    assert runtime_keccak("VaultExit") == PLATFORM.code_hash("VaultExit") == fixed
    one = runtime_keccak("SweepDelegate", vault=PAYEE, batcher=RELAY)
    assert len({one, runtime_keccak("SweepDelegate", vault=RELAY, batcher=PAYEE)}) == 2

"""Where every contract stands, computed offline by CREATE2 from the packaged bytecode.

relay → batcher → vault → its sweeper: no address is ever taken from a database.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, create2, parse_address
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.controls import AssetLimit
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.safe import setup_initializer

# The deterministic deployer that stands at this address on (nearly) every EVM chain.
DEPLOYER = parse_address("0x4e59b44847b379578588920cA78FbF26c0B4956C")
SALT = bytes(32)


@dataclass(frozen=True, slots=True)
class SweepItem:
    """Move `units` of `token` (zero = native) from the deposit address `account` to its vault."""

    account: Address
    token: Address
    units: int


@dataclass(frozen=True)
class Deployment:
    """The platform on one chain; the relay's key decides the rest."""

    chain_id: int
    relay: Address

    @cached_property
    def safe_singleton(self) -> Address:
        """SafeL2 1.5.0."""
        return _placed(creation("SafeL2"))

    @cached_property
    def proxy_factory(self) -> Address:
        """SafeProxyFactory 1.5.0."""
        return _placed(creation("SafeProxyFactory"))

    @cached_property
    def multi_send(self) -> Address:
        """MultiSendCallOnly 1.5.0, the one way to pay several at once."""
        return _placed(creation("MultiSendCallOnly"))

    @cached_property
    def exit(self) -> Address:
        """VaultExit, the only module of every vault."""
        return _placed(creation("VaultExit"))

    @cached_property
    def guard(self) -> Address:
        """PermitGuard, one for all vaults of the chain."""
        return _placed(self.guard_init_code)

    @cached_property
    def guard_init_code(self) -> bytes:
        """Creation code with the exit's and the multisend's addresses."""
        bound = abi.address(self.exit) + abi.address(self.multi_send)
        return creation("PermitGuard") + bound

    @cached_property
    def vault_setup(self) -> Address:
        """VaultSetup, delegate-called once in each vault's setup."""
        return _placed(creation("VaultSetup"))

    @cached_property
    def batcher(self) -> Address:
        """SweepBatcher, which obeys the relay key only."""
        return _placed(self.batcher_init_code)

    @cached_property
    def batcher_init_code(self) -> bytes:
        """Creation code with the relay's address."""
        return creation("SweepBatcher") + abi.address(self.relay)

    def anchor_init_code(self, officers: Sequence[Address], quorum: int) -> bytes:
        """LogAnchor's creation code: a quorum of `officers` replaces its writer, the relay."""
        listed = abi.array([abi.address(officer) for officer in sorted(officers)])
        return creation("LogAnchor") + abi.arguments(
            listed, abi.uint(quorum), abi.address(self.relay)
        )

    def anchor_address(self, officers: Sequence[Address], quorum: int) -> Address:
        """Where the audit log's checkpoints are put down."""
        return _placed(self.anchor_init_code(officers, quorum))

    def platform(self) -> dict[str, bytes]:
        """Init codes by contract name, in the order in which `strongroom deploy` places them."""
        plain = ("SafeL2", "SafeProxyFactory", "MultiSendCallOnly", "VaultExit", "VaultSetup")
        bound = {"PermitGuard": self.guard_init_code, "SweepBatcher": self.batcher_init_code}
        return {name: creation(name) for name in plain} | bound

    def code_hash(self, name: str) -> bytes:
        """Code hash of a contract of `platform`, once it stands there."""
        if name == "PermitGuard":
            return runtime_keccak(name, exitModule=self.exit, multiSendCallOnly=self.multi_send)
        return runtime_keccak(name, relay=self.relay)

    def vault_initializer(self, bundle: Bundle) -> bytes:
        """Call data of the vault's Safe.setup: people, exit, and the guard with its first lists."""
        vault = bundle.vault
        install = abi.call(
            "install(address,address,address,(address,uint128)[],address[],address[])",
            abi.address(self.guard),
            abi.address(self.exit),
            abi.address(vault.permit_signer),
            limit_rows(vault.limits),
            abi.array([abi.address(destination) for destination in vault.destinations]),
            abi.array([abi.address(freezer) for freezer in vault.freezers]),
        )
        return setup_initializer(vault.owners, vault.threshold, self.vault_setup, install)

    def vault_address(self, bundle: Bundle) -> Address:
        """The organisation's vault; the same for every version of its bundle."""
        if bundle.vault.adopted is not None:
            return bundle.vault.adopted
        salt = keccak256(keccak256(self.vault_initializer(bundle)) + bundle.vault.salt)
        init_code = creation("SafeProxy") + abi.address(self.safe_singleton)
        return create2(self.proxy_factory, salt, init_code)

    def sweeper_init_code(self, vault: Address) -> bytes:
        """SweepDelegate's creation code, bound to this vault and to the batcher."""
        return creation("SweepDelegate") + abi.arguments(
            abi.address(vault), abi.address(self.batcher)
        )

    def sweeper_address(self, vault: Address) -> Address:
        """What deposit addresses of this vault delegate to."""
        return _placed(self.sweeper_init_code(vault))

    def create_vault_calldata(self, bundle: Bundle) -> bytes:
        """To `proxy_factory`: createProxyWithNonce."""
        return abi.call(
            "createProxyWithNonce(address,bytes,uint256)",
            abi.address(self.safe_singleton),
            abi.byte_string(self.vault_initializer(bundle)),
            bundle.vault.salt,
        )


def limit_rows(limits: Sequence[AssetLimit]) -> abi.Dynamic:
    """Solidity's AssetLimit[]: token (zero = native), day units."""
    return abi.array(
        [abi.address(limit.token or ZERO) + abi.uint(limit.day_units, 128) for limit in limits]
    )


def deploy_calldata(init_code: bytes) -> bytes:
    """To DEPLOYER: the salt and the code; it reverts if the contract is already there."""
    return SALT + init_code


def sweep_calldata(items: Sequence[SweepItem]) -> bytes:
    """To the batcher, from the relay: sweep((address,address,uint256)[])."""
    rows = [
        abi.address(item.account) + abi.address(item.token) + abi.uint(item.units) for item in items
    ]
    return abi.call("sweep((address,address,uint256)[])", abi.array(rows))


def creation(name: str) -> bytes:
    """Creation code of a contract in artifacts.json, without constructor arguments."""
    return bytes.fromhex(artifacts()[name]["creation"][2:])


@cache
def artifacts() -> dict[str, Any]:
    """The packaged artifacts.json: {name: {creation, runtime_keccak, abi, …}}."""
    text = files("strongroom_protocol").joinpath("artifacts.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def runtime_keccak(name: str, **immutables: Address | int) -> bytes:
    """Code hash of the deployed contract, its immutables filled in by name."""
    artifact = artifacts()[name]
    if "runtime_keccak" in artifact:
        return bytes.fromhex(artifact["runtime_keccak"][2:])
    code = bytearray.fromhex(artifact["runtime_template"][2:])
    for immutable, offsets in artifact["immutables"].items():
        value = immutables[immutable]
        word = abi.uint(value) if isinstance(value, int) else abi.address(value)
        for offset in offsets:
            code[offset : offset + 32] = word
    return keccak256(bytes(code))


def _placed(init_code: bytes) -> Address:
    return create2(DEPLOYER, SALT, init_code)

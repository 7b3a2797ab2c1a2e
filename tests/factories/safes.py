"""Safes and vaults on a node, with no process of the custodian's: contracts and people's keys."""

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from coincurve import PrivateKey
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from strongroom.bootstrap.deploy import Deployer
from strongroom.chain.node import Node
from strongroom.cli.dev.anvil import DEPLOYER_KEY
from strongroom.vaults.configuration import Configuration, Questions, examine
from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, create2, parse_address
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.controls import AssetLimit, Vault
from strongroom_protocol.deployment import Deployment, creation
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.permit import Permit
from strongroom_protocol.safe import (
    SafeTx,
    exec_calldata,
    pack_signatures,
    permit_tail,
    safe_tx_hash,
    setup_initializer,
)
from strongroom_protocol.signatures import Signature
from strongroom_protocol.structures import Structure
from strongroom_protocol.typed_data import Domain, as_json
from tests.factories.house import DOLLAR, mining
from tests.factories.parts.anvil import Chain

HOUR = 3_600


def person(name: str) -> LocalAccount:
    """The same key for the same name."""
    account: LocalAccount = Account.from_key(keccak(text=name))
    return account


def address_of(account: LocalAccount) -> Address:
    return parse_address(account.address)


def signed(account: LocalAccount, structure: Structure, domain: Domain) -> Signature:
    """What a wallet answers to eth_signTypedData_v4."""
    typed = json.loads(json.dumps(as_json(structure.typed(domain))))
    return Signature.parse(bytes(account.sign_typed_data(full_message=typed).signature))


class SafeStage:
    """A chain with the platform's contracts, a token, and three people."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.node = Node([chain.url], chain.chain_id)
        self.deployment = Deployment(chain.chain_id, Address(b"\x0a" * 20))
        self.permit_key = person("permit key")
        self.people = sorted((person(f"owner {n}") for n in range(3)), key=address_of)
        self.money = chain.accounts()[1]
        deployer = Deployer(self.node, PrivateKey(bytes.fromhex(DEPLOYER_KEY[2:])), chain.chain_id)
        with mining(chain):
            for name, code in self.deployment.platform().items():
                deployer.place(name, code)
                deployer.wait()
        creation_code = json.loads(DOLLAR.read_text())["creation"]
        mint_by = abi.address(parse_address(self.money.lower())).hex()
        made = self.send({"data": creation_code + mint_by})["contractAddress"]
        self.dollar = parse_address(str(made).lower())

    def close(self) -> None:
        self.node.close()

    def send(self, transaction: dict[str, Any], *, succeeds: bool = True) -> dict[str, Any]:
        """From an unlocked account; mined."""
        whole = {"from": self.money, "gas": hex(5_000_000), **transaction}
        sent = self.chain.rpc("eth_sendTransaction", whole)
        self.chain.mine()
        receipt = self.chain.rpc("eth_getTransactionReceipt", sent)
        assert isinstance(receipt, dict)
        assert (receipt["status"] == "0x1") is succeeds, receipt
        return receipt

    def call(self, to: Address, data: bytes, *, succeeds: bool = True) -> dict[str, Any]:
        call = {"to": "0x" + to.hex(), "data": "0x" + data.hex()}
        return self.send(call, succeeds=succeeds)

    def pass_time(self, seconds: int) -> None:
        self.chain.rpc("evm_increaseTime", hex(seconds))
        self.chain.mine()

    def fund(self, to: Address, wei: int = 10**18, units: int = 10**9) -> None:
        self.send({"to": "0x" + to.hex(), "value": hex(wei)})
        mint = abi.call("mint(address,uint256)", abi.address(to), abi.uint(units))
        self.call(self.dollar, mint)

    def units(self, holder: Address) -> int:
        data = abi.call("balanceOf(address)", abi.address(holder))
        return int.from_bytes(self.node.call(self.dollar, data), "big")

    # --- Safes ---

    def plain_safe(
        self,
        salt: int,
        *,
        owners: Sequence[Address] | None = None,
        threshold: int = 2,
        handler: Address = ZERO,
    ) -> Address:
        """An ordinary Safe of the three people."""
        people = owners or [address_of(one) for one in self.people]
        initializer = setup_initializer(people, threshold, ZERO, b"")
        if handler != ZERO:
            at = 4 + 4 * 32  # the fifth argument
            initializer = initializer[:at] + abi.address(handler) + initializer[at + 32 :]
        return self._create(initializer, salt.to_bytes(32, "big"))

    def vault_content(self, **changes: Any) -> Vault:
        content: dict[str, Any] = {
            "salt": bytes(32),
            "owners": tuple(address_of(one) for one in self.people),
            "threshold": 2,
            "permit_signer": address_of(self.permit_key),
            "limits": (AssetLimit(None, 10**18), AssetLimit(self.dollar, 10**9)),
            "destinations": (address_of(person("supplier")),),
            "freezers": (parse_address(self.money.lower()),),
        }
        return Vault(**content | changes)

    def vault(self, salt: int) -> Address:
        """A vault born under guard."""
        content = self.vault_content(salt=salt.to_bytes(32, "big"))
        bundle = cast(Bundle, SimpleNamespace(vault=content))
        self.call(self.deployment.proxy_factory, self.deployment.create_vault_calldata(bundle))
        return self.deployment.vault_address(bundle)

    def _create(self, initializer: bytes, salt: bytes) -> Address:
        factory, singleton = self.deployment.proxy_factory, self.deployment.safe_singleton
        words = (abi.address(singleton), abi.byte_string(initializer), salt)
        self.call(factory, abi.call("createProxyWithNonce(address,bytes,uint256)", *words))
        code = creation("SafeProxy") + abi.address(singleton)
        return create2(factory, keccak256(keccak256(initializer) + salt), code)

    def read(self, safe: Address, **questions: Any) -> Configuration:
        return examine(
            self.node,
            safe,
            exit_module=self.deployment.exit,
            block="latest",
            questions=Questions(**{name: frozenset(some) for name, some in questions.items()}),
        )

    def execute(
        self,
        safe: Address,
        tx: SafeTx,
        *,
        signers: Sequence[LocalAccount] | None = None,
        permit: bool = True,
        succeeds: bool = True,
    ) -> None:
        """People sign, and the permit key where a guard asks for it."""
        domain = Domain(chain_id=self.chain.chain_id, verifying_contract=safe)
        who = signers or self.people[:2]
        packed = pack_signatures([(address_of(one), signed(one, tx, domain)) for one in who])
        if permit:
            packed += self.permit(safe, tx)
        self.call(safe, exec_calldata(tx, packed), succeeds=succeeds)

    def permit(self, safe: Address, tx: SafeTx, key: LocalAccount | None = None) -> bytes:
        until = self.read(safe).block_time + HOUR
        digest = safe_tx_hash(self.chain.chain_id, safe, tx)
        guard = self.read(safe).guard
        domain = Domain("StrongroomGuard", "1", self.chain.chain_id, guard)
        signature = signed(key or self.permit_key, Permit(safe, digest, 1, until), domain)
        return permit_tail(1, until, signature)

"""P1, P4, P5: what this package computes is what Safe, guard and sweeper do on a real node."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.authority import Bundle
from strongroom_protocol.deployment import (
    DEPLOYER,
    Deployment,
    SweepItem,
    deploy_calldata,
    runtime_keccak,
    sweep_calldata,
)
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.permit import Permit
from strongroom_protocol.safe import (
    SafeTx,
    exec_calldata,
    pack_signatures,
    payment_safe_tx,
    permit_tail,
    rejection_safe_tx,
    safe_tx_hash,
)
from strongroom_protocol.transactions import (
    Authorization,
    SetCodeTransaction,
    SignedAuthorization,
    Transaction1559,
)
from tests.factories.parts.anvil import Chain
from tests.unit.strongroom_protocol.organisation import BEN, CAT, PAYEE, Key, bundle, document

RELAY, PERMIT, LEAF = Key("relay"), Key("permit"), Key("leaf")
GWEI = 10**9
DOLLAR = Path(__file__).parents[3] / "scripts" / "first_day" / "test_dollar.json"


@dataclass
class Platform:
    """Everything deployed on one node, a vault with 1,000 units of money in it."""

    chain: Chain
    deployment: Deployment
    bundle: Bundle
    token: Address

    @property
    def vault(self) -> Address:
        return self.deployment.vault_address(self.bundle)

    def send(self, to: Address, data: bytes, *more: SignedAuthorization) -> bool:
        """From the relay, by our own encoder; whether it succeeded."""
        nonce = int(str(self.chain.rpc("eth_getTransactionCount", hexed(RELAY), "latest")), 16)
        parts = (self.chain.chain_id, nonce, GWEI, 10 * GWEI, 8_000_000, to, 0, data)
        tx = SetCodeTransaction(*parts, more) if more else Transaction1559(*parts)
        signature = RELAY.sign(tx.signing_hash())
        raw = "0x" + tx.signed_bytes(signature).hex()
        assert self.chain.rpc("eth_sendRawTransaction", raw) == "0x" + tx.hash(signature).hex()
        self.chain.mine()
        found: Any = self.chain.rpc("eth_getTransactionReceipt", "0x" + tx.hash(signature).hex())
        return bool(found["status"] == "0x1")

    def execute(self, tx: SafeTx, keys: tuple[Key, ...] = (BEN, CAT), permit: Key = PERMIT) -> bool:
        """The Safe transaction with its owners' signatures and a Permit, by the relay."""
        digest = safe_tx_hash(self.chain.chain_id, self.vault, tx)
        leave = Permit(self.vault, digest, 1, 2**40)
        stamp = permit.sign(leave.digest(self.chain.chain_id, self.deployment.guard))
        owners = pack_signatures([(key.address, key.sign(digest)) for key in keys])
        return self.send(self.vault, exec_calldata(tx, owners + permit_tail(1, 2**40, stamp)))

    def held(self, token: Address, account: Address) -> int:
        """Units of a token, or of the native coin, at an address."""
        if token == ZERO:
            return int(str(self.chain.rpc("eth_getBalance", checksum(account), "latest")), 16)
        data = abi.call("balanceOf(address)", abi.address(account))
        return int.from_bytes(self.read(token, data), "big")

    def read(self, to: Address, data: bytes) -> bytes:
        """One eth_call."""
        call = {"to": checksum(to), "data": "0x" + data.hex()}
        return bytes.fromhex(str(self.chain.rpc("eth_call", call, "latest"))[2:])

    def code(self, account: Address) -> bytes:
        """The code at an address."""
        return bytes.fromhex(str(self.chain.rpc("eth_getCode", checksum(account), "latest"))[2:])

    def give(self, to: Address, value: int = 0, data: bytes = b"", token: bool = False) -> Any:
        """From the node's own first account: native coins, or a call of the token."""
        call = {
            "from": self.chain.accounts()[0],
            "to": checksum(self.token if token else to),
            "value": hex(value),
            "data": "0x" + data.hex(),
        }
        found = self.chain.rpc("eth_sendTransaction", call)
        self.chain.mine()
        return found


def hexed(key: Key) -> str:
    return checksum(key.address)


def deploy_token(chain: Chain) -> Address:
    code = bytes.fromhex(json.loads(DOLLAR.read_text())["creation"][2:])
    owner = parse_address(chain.accounts()[0])
    data = "0x" + (code + abi.address(owner)).hex()
    call = {"from": chain.accounts()[0], "data": data}
    sent = chain.rpc("eth_sendTransaction", call)
    chain.mine()
    receipt: Any = chain.rpc("eth_getTransactionReceipt", sent)
    return parse_address(receipt["contractAddress"])


@pytest.fixture(scope="module")
def platform(anvil_of_module):
    chain = anvil_of_module
    token = deploy_token(chain)
    tokens = [document()["tokens"][0], {"asset": "TUSD/6", "contract": checksum(token)}]
    native, dollars = document()["vault"]["limits"]
    lists = {"limits": [native, dollars | {"token": checksum(token)}]}
    made_for = {"permit_signer": checksum(PERMIT.address)}
    policy = bundle(tokens=tokens, vault=document()["vault"] | lists | made_for)
    deployment = Deployment(chain.chain_id, RELAY.address)
    found = Platform(chain, deployment, policy, token)
    found.give(RELAY.address, 10**20)
    for code in deployment.platform().values():
        assert found.send(DEPLOYER, deploy_calldata(code))
    assert found.send(DEPLOYER, deploy_calldata(deployment.sweeper_init_code(found.vault)))
    assert found.send(deployment.proxy_factory, deployment.create_vault_calldata(policy))
    found.give(found.vault, 1_000)
    for account in (found.vault, LEAF.address):
        mint = abi.call("mint(address,uint256)", abi.address(account), abi.uint(1_000))
        found.give(found.vault, data=mint, token=True)
    return found


def next_nonce(platform: Platform) -> int:
    return int.from_bytes(platform.read(platform.vault, abi.call("nonce()")), "big")


def test_every_contract_stands_where_it_was_computed_with_the_code_that_was_packaged(platform):
    deployment, vault = platform.deployment, platform.vault
    sweeper = deployment.sweeper_address(vault)
    expected = {
        deployment.safe_singleton: runtime_keccak("SafeL2"),
        deployment.proxy_factory: runtime_keccak("SafeProxyFactory"),
        deployment.multi_send: runtime_keccak("MultiSendCallOnly"),
        deployment.exit: runtime_keccak("VaultExit"),
        deployment.guard: deployment.code_hash("PermitGuard"),
        deployment.vault_setup: runtime_keccak("VaultSetup"),
        deployment.batcher: deployment.code_hash("SweepBatcher"),
        sweeper: runtime_keccak("SweepDelegate", vault=vault, batcher=deployment.batcher),
        vault: runtime_keccak("SafeProxy"),
    }
    for address, digest in expected.items():
        assert keccak256(platform.code(address)) == digest
    data = abi.call("delegateOf(address)", abi.address(vault))
    assert platform.read(deployment.batcher, data)[12:] == sweeper


def test_hash_and_permit_digest_are_those_that_the_contracts_compute(platform):
    tx = payment_safe_tx(platform.token, PAYEE, 7, next_nonce(platform))
    kinds = "address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,uint256"
    zeros = [abi.uint(0)] * 4
    parts = [abi.address(tx.to), abi.uint(0), abi.byte_string(tx.data), *zeros]
    parts += [abi.address(ZERO), abi.address(ZERO), abi.uint(tx.nonce)]
    data = abi.call(f"getTransactionHash({kinds})", *parts)
    digest = safe_tx_hash(platform.chain.chain_id, platform.vault, tx)
    assert platform.read(platform.vault, data) == digest
    data = abi.call(
        "permitDigest(address,bytes32,uint64,uint64)",
        abi.address(platform.vault), digest, abi.uint(4), abi.uint(99),
    )  # fmt: skip
    permit = Permit(platform.vault, digest, 4, 99)
    guard = platform.deployment.guard
    assert platform.read(guard, data) == permit.digest(platform.chain.chain_id, guard)


@pytest.mark.parametrize("native", [True, False])
def test_two_people_and_a_permit_pay_and_the_same_bytes_never_pay_twice(platform, native):
    token = ZERO if native else platform.token
    before = platform.held(token, PAYEE)
    tx = payment_safe_tx(token, PAYEE, 7, next_nonce(platform))
    assert platform.execute(tx)
    assert platform.held(token, PAYEE) == before + 7
    assert not platform.execute(tx)
    assert platform.held(token, PAYEE) == before + 7


def test_without_quorum_permit_or_allowlist_nothing_moves(platform):
    before = platform.held(platform.token, platform.vault)
    tx = payment_safe_tx(platform.token, PAYEE, 7, next_nonce(platform))
    stranger = Address(b"\x99" * 20)
    assert not platform.execute(tx, keys=(BEN,))
    assert not platform.execute(tx, keys=(BEN, LEAF))
    assert not platform.execute(tx, permit=RELAY)
    assert not platform.execute(payment_safe_tx(platform.token, stranger, 7, tx.nonce))
    assert not platform.execute(replace(tx, operation=1))
    assert platform.held(platform.token, platform.vault) == before


def test_a_rejection_consumes_the_nonce_of_the_payment(platform):
    nonce = next_nonce(platform)
    before = platform.held(platform.token, PAYEE)
    assert platform.execute(rejection_safe_tx(platform.vault, nonce))
    assert next_nonce(platform) == nonce + 1
    assert not platform.execute(payment_safe_tx(platform.token, PAYEE, 7, nonce))
    assert platform.held(platform.token, PAYEE) == before


def test_a_deposit_address_without_gas_is_swept_into_its_own_vault(platform):
    sweeper = platform.deployment.sweeper_address(platform.vault)
    authorization = Authorization(platform.chain.chain_id, sweeper, 0)
    signed = SignedAuthorization(authorization, LEAF.sign(authorization.signing_hash()))
    before = platform.held(platform.token, platform.vault)
    items = [SweepItem(LEAF.address, platform.token, 400)]
    assert platform.held(ZERO, LEAF.address) == 0
    assert platform.send(platform.deployment.batcher, sweep_calldata(items), signed)
    assert platform.code(LEAF.address) == b"\xef\x01\x00" + sweeper
    assert platform.held(platform.token, platform.vault) == before + 400
    assert platform.held(platform.token, LEAF.address) == 600
    assert platform.send(platform.deployment.batcher, sweep_calldata(items))
    assert platform.held(platform.token, LEAF.address) == 200

"""The contracts on a real node, driven with eth-account and eth-abi only: a second opinion.

Nothing of strongroom_protocol but its bytecode file is used, so that the two can be compared.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.factories.parts.anvil import Chain

REPOSITORY = Path(__file__).parents[3]
ARTIFACTS: dict[str, Any] = json.loads(
    (REPOSITORY / "src/strongroom_protocol/artifacts.json").read_text()
)
TEST_DOLLAR: dict[str, Any] = json.loads(
    (REPOSITORY / "scripts/first_day/test_dollar.json").read_text()
)
DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
ZERO = "0x" + 40 * "0"
POLICY_VERSION = 1
DAY_WEI, DAY_UNITS = 4 * 10**18, 900_000_000


def person(name: str) -> LocalAccount:
    """The same key for the same name."""
    account: LocalAccount = Account.from_key(keccak(text=name))
    return account


def sign(signer: LocalAccount, digest: bytes) -> bytes:
    """r ‖ s ‖ v over a 32-byte digest."""
    return bytes(signer.unsafe_sign_hash(Hash32(digest)).signature)


def call_data(signature: str, *arguments: object) -> bytes:
    """Selector and arguments of a function without tuple parameters."""
    kinds = signature[signature.index("(") + 1 : -1]
    return keccak(text=signature)[:4] + encode(kinds.split(",") if kinds else [], arguments)


def create2(deployer: str, salt: bytes, creation: bytes) -> str:
    """EIP-1014 address."""
    parts = b"\xff" + bytes.fromhex(deployer[2:]) + salt + keccak(creation)
    return to_checksum_address(keccak(parts)[12:])


def creation_of(name: str, *addresses: str) -> bytes:
    """Creation code with its constructor's addresses."""
    return bytes.fromhex(ARTIFACTS[name]["creation"][2:]) + encode(
        ["address"] * len(addresses), addresses
    )


@dataclass
class Stage:
    """A chain with Safe, guard, setup and batcher, one token, three people and our two keys."""

    chain: Chain
    people: list[LocalAccount] = field(default_factory=list)
    permit_signer: LocalAccount = field(default_factory=lambda: person("permit signer"))
    relay: LocalAccount = field(default_factory=lambda: person("relay"))

    def __post_init__(self) -> None:
        self.people = sorted(
            (person(f"person {n}") for n in range(3)), key=lambda one: one.address.lower()
        )
        self.money = self.chain.accounts()[0]
        self.send({"to": self.relay.address, "value": hex(10**18)})
        self.safe_l2 = self.deploy(creation_of("SafeL2"))
        self.factory = self.deploy(creation_of("SafeProxyFactory"))
        self.multi_send = self.deploy(creation_of("MultiSendCallOnly"))
        self.exit = self.deploy(creation_of("VaultExit"))
        self.guard = self.deploy(creation_of("PermitGuard", self.exit, self.multi_send))
        self.setup = self.deploy(creation_of("VaultSetup"))
        self.batcher = self.deploy(creation_of("SweepBatcher", self.relay.address))
        dollar = bytes.fromhex(TEST_DOLLAR["creation"][2:]) + encode(["address"], [self.money])
        self.dollar = self.deploy(dollar)

    def send(self, transaction: dict[str, object]) -> dict[str, Any]:
        """Send from an unlocked account, mine, and give the receipt."""
        sent = self.chain.rpc(
            "eth_sendTransaction", {"from": self.money, "gas": hex(8_000_000), **transaction}
        )
        return self._mined(sent)

    def send_raw(self, raw: bytes) -> dict[str, Any]:
        """Send a signed transaction, mine, and give the receipt."""
        return self._mined(self.chain.rpc("eth_sendRawTransaction", "0x" + raw.hex()))

    def _mined(self, transaction_hash: object) -> dict[str, Any]:
        self.chain.mine()
        receipt = self.chain.rpc("eth_getTransactionReceipt", transaction_hash)
        assert isinstance(receipt, dict)
        return receipt

    def read(self, to: str, data: bytes, kinds: list[str]) -> tuple[Any, ...]:
        """Call without sending; the decoded answer."""
        answer = self.chain.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
        return decode(kinds, bytes.fromhex(str(answer)[2:]))

    def code(self, address: str) -> bytes:
        """Runtime code."""
        return bytes.fromhex(str(self.chain.rpc("eth_getCode", address, "latest"))[2:])

    def balance(self, address: str) -> int:
        """Native balance in wei."""
        return int(str(self.chain.rpc("eth_getBalance", address, "latest")), 16)

    def units(self, holder: str) -> int:
        """TUSD units."""
        data = call_data("balanceOf(address)", holder)
        return int(self.read(self.dollar, data, ["uint256"])[0])

    def now(self) -> int:
        """The head's time, seconds."""
        head = self.chain.rpc("eth_getBlockByNumber", "latest", False)
        assert isinstance(head, dict)
        return int(head["timestamp"], 16)

    def deploy(self, creation: bytes) -> str:
        """Through the deterministic deployer with salt 0; the offline address."""
        receipt = self.send({"to": DEPLOYER, "data": "0x" + (bytes(32) + creation).hex()})
        assert receipt["status"] == "0x1"
        return create2(DEPLOYER, bytes(32), creation)

    def initializer(self, destinations: list[str]) -> bytes:
        """What the vault's address commits to."""
        kinds = ["address", "address", "address", "(address,uint128)[]", "address[]", "address[]"]
        limits = [(ZERO, DAY_WEI), (self.dollar, DAY_UNITS)]
        install = keccak(text=f"install({','.join(kinds)})")[:4] + encode(
            kinds,
            [self.guard, self.exit, self.permit_signer.address, limits, destinations, []],
        )
        owners = [one.address for one in self.people]
        return call_data(
            "setup(address[],uint256,address,bytes,address,address,uint256,address)",
            *(owners, 2, self.setup, install, ZERO, ZERO, 0, ZERO),
        )

    def vault_address(self, initializer: bytes, salt_nonce: int) -> str:
        """Offline: CREATE2 by the factory."""
        salt = keccak(keccak(initializer) + salt_nonce.to_bytes(32, "big"))
        return create2(self.factory, salt, creation_of("SafeProxy", self.safe_l2))

    def create_vault(self, initializer: bytes, salt_nonce: int) -> dict[str, Any]:
        """On chain; the receipt."""
        data = call_data(
            "createProxyWithNonce(address,bytes,uint256)", self.safe_l2, initializer, salt_nonce
        )
        return self.send({"to": self.factory, "data": "0x" + data.hex()})

    def safe_tx_digest(self, vault: str, to: str, value: int, data: bytes, nonce: int) -> bytes:
        """What the people sign, by eth-account's EIP-712."""
        names = "to value data operation safeTxGas baseGas gasPrice gasToken refundReceiver nonce"
        kinds = "address uint256 bytes uint8 uint256 uint256 uint256 address address uint256"
        fields = zip(names.split(), kinds.split(), strict=True)
        message = dict(
            zip(names.split(), (to, value, data, 0, 0, 0, 0, ZERO, ZERO, nonce), strict=True)
        )
        return self._digest(
            {"chainId": self.chain.chain_id, "verifyingContract": vault},
            {"SafeTx": [{"name": name, "type": kind} for name, kind in fields]},
            message,
        )

    def permit(self, vault: str, safe_tx_hash: bytes, signer: LocalAccount) -> bytes:
        """The 81 bytes behind the people's signatures, good for an hour."""
        valid_until = self.now() + 3600
        kinds = ("address", "bytes32", "uint64", "uint64")
        names = ("safe", "safeTxHash", "policyVersion", "validUntil")
        digest = self._digest(
            {
                "name": "StrongroomGuard",
                "version": "1",
                "chainId": self.chain.chain_id,
                "verifyingContract": self.guard,
            },
            {"Permit": [{"name": n, "type": k} for n, k in zip(names, kinds, strict=True)]},
            dict(zip(names, (vault, safe_tx_hash, POLICY_VERSION, valid_until), strict=True)),
        )
        head = POLICY_VERSION.to_bytes(8, "big") + valid_until.to_bytes(8, "big")
        return head + sign(signer, digest)

    def execute(
        self, vault: str, to: str, value: int, data: bytes, signatures: bytes
    ) -> dict[str, Any]:
        """Send execTransaction from the relay's side; anyone may."""
        execute = call_data(
            "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,"
            "bytes)",
            *(to, value, data, 0, 0, 0, 0, ZERO, ZERO, signatures),
        )
        return self.send({"to": vault, "data": "0x" + execute.hex()})

    @staticmethod
    def _digest(domain: dict[str, Any], types: dict[str, Any], message: dict[str, Any]) -> bytes:
        signable = encode_typed_data(domain, types, message)
        return keccak(b"\x19" + signable.version + signable.header + signable.body)

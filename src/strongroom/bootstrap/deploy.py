"""The platform's contracts on a chain: placed where CREATE2 says, checked, written down.

Doing it again changes nothing. The deployer's key pays for it and has no power afterwards: every
address follows from bytecode and from the signer's keys.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coincurve import PrivateKey

from strongroom.auditlog import service as auditlog
from strongroom.chain.node import Node
from strongroom.config import ChainConfig, Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock
from strongroom.kit.errors import Conflict, Invalid, Unavailable
from strongroom.kit.ids import HOUSE
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef
from strongroom.relay.sink import GAS_ACCOUNT
from strongroom.signing.client import SignerClient
from strongroom.vaults import service as vaults
from strongroom.vaults.platform_check import platform_of
from strongroom.vaults.types import Platform
from strongroom.wallets import service as wallets
from strongroom_protocol.addresses import (
    Address,
    address_of_public_key,
    checksum,
    create2,
    parse_address,
)
from strongroom_protocol.deployment import DEPLOYER, SALT, deploy_calldata, runtime_keccak
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.signatures import Signature
from strongroom_protocol.transactions import Transaction1559

GAS_HEADROOM_NUMERATOR, GAS_HEADROOM_DENOMINATOR = 5, 4
RECEIPT_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.2
EQUITY_ACCOUNT: Final = "house:equity"
ANCHOR: Final = "LogAnchor"

# `codeHash` of Safe 1.5.0 as its makers publish it (safe-deployments, src/assets/v1.5.0): what
# stands on the chain is compared with these, not only with the artifacts that came with us.
OFFICIAL_CODE_HASHES: Final[Mapping[str, bytes]] = {
    "SafeL2": bytes.fromhex("180193227186ccb85316c94db1f0d156ed932b14712cfaac78901899178572dc"),
    "SafeProxyFactory": bytes.fromhex(
        "967dae4cda22b0c9ef7f31b010bdc1ceb0af9904b0c3dc060b5302e4c18a4529"
    ),
    "MultiSendCallOnly": bytes.fromhex(
        "cdbdcec38d2f1c7d961b0029ff8416b7e86e9974d6f0e9c9580c7d17fcfb6663"
    ),
}


class DeployerKeyInvalid(Invalid):
    """The deployer's key file can't be read as a key."""

    code = "deploy.key_invalid"


class DeployerMissing(Conflict):
    """The chain has no deterministic deployer."""

    code = "deploy.deployer_missing"


class CodeDiffers(Conflict):
    """Something else stands at a contract's address."""

    code = "deploy.code_differs"


class NotMined(Unavailable):
    """A transaction of the deployer was not mined in time, or reverted."""

    code = "deploy.not_mined"


@dataclass(frozen=True, slots=True)
class Planned:
    """A contract that must stand: what makes it, and the hash that its code then has."""

    init_code: bytes
    code_hash: bytes

    @property
    def address(self) -> Address:
        """Where it stands."""
        return create2(DEPLOYER, SALT, self.init_code)


@dataclass(frozen=True, slots=True)
class Placed:
    """A contract at its address; `made` says whether this run put it there."""

    name: str
    address: Address
    made: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What stands on the chain now."""

    platform: Platform
    contracts: tuple[Placed, ...]
    relay_balance_wei: int
    relay_funded_wei: int


class Deployer:
    """Sends the deployer's few transactions, all at once, and waits until they are mined."""

    def __init__(self, node: Node, key: PrivateKey, chain_id: int) -> None:
        """`key` pays; it is a key of the custodian's own, never one that holds clients' money."""
        self._node = node
        self._key = key
        self._chain_id = chain_id
        self.address = address_of_public_key(key.public_key.format(compressed=False))
        self._next_nonce: int | None = None
        self._sent: list[bytes] = []

    def place(self, name: str, init_code: bytes) -> Placed:
        """Have one contract put at its CREATE2 address, unless something stands there."""
        address = create2(DEPLOYER, SALT, init_code)
        made = not self._node.code(address)
        if made:
            self.send(DEPLOYER, deploy_calldata(init_code), 0)
        return Placed(name, address, made)

    def check(self, placed: Placed, code_hash: bytes) -> None:
        """Whether it is the packaged code that stands there. Raises CodeDiffers."""
        if keccak256(self._node.code(placed.address)) != code_hash:
            raise CodeDiffers(
                f"{placed.name} should stand at {checksum(placed.address)}, but the code there is "
                "another. The packaged artifacts and this chain do not belong together."
            )

    def wait(self) -> None:
        """Until everything sent is mined and successful. Raises NotMined."""
        for tx_hash in self._sent:
            self._wait(tx_hash)
        self._sent.clear()

    def send(self, to: Address, data: bytes, value_wei: int) -> None:
        """Hand one transaction to the node; `wait` says what became of it."""
        if self._next_nonce is None:
            self._next_nonce = self._node.transaction_count(self.address, "pending")
        fees = self._node.fees()
        gas = self._node.estimate_gas(to, data, sender=self.address, value=value_wei)
        transaction = Transaction1559(
            chain_id=self._chain_id,
            nonce=self._next_nonce,
            max_priority_fee_per_gas=fees.priority_fee_wei,
            max_fee_per_gas=fees.max_fee_wei,
            gas=gas * GAS_HEADROOM_NUMERATOR // GAS_HEADROOM_DENOMINATOR,
            to=to,
            value=value_wei,
            data=data,
        )
        made = self._key.sign_recoverable(transaction.signing_hash(), hasher=None)
        signature = Signature.parse(made[:64] + bytes([made[64] + 27]))
        self._sent.append(self._node.send_raw(transaction.signed_bytes(signature)))
        self._next_nonce += 1

    def _wait(self, tx_hash: bytes) -> None:
        for _ in range(int(RECEIPT_SECONDS / POLL_SECONDS)):
            receipt = self._node.receipt(tx_hash)
            if receipt is not None:
                if int(receipt.status, 16) == 1:
                    return
                break
            time.sleep(POLL_SECONDS)
        raise NotMined(
            f"The deployer's transaction 0x{tx_hash.hex()} was not mined successfully within "
            f"{RECEIPT_SECONDS:.0f} s. Look at the node, then run this again: what is there stays."
        )


def read_key(path: Path) -> PrivateKey:
    """The deployer's key from a file with 0x hex. Raises DeployerKeyInvalid."""
    try:
        return PrivateKey(bytes.fromhex(path.read_text("ascii").strip().removeprefix("0x")))
    except (OSError, ValueError) as error:
        raise DeployerKeyInvalid(
            f"{path} can't be read as a private key of 32 bytes in hex; set "
            "STRONGROOM_DEPLOYER_KEY_FILE to the file of the account that pays for deployment."
        ) from error


def deploy(
    config: Config,
    key_file: Path,
    *,
    fund_relay_wei: int,
    progress: Callable[[str], None],
    chain_id: int | None = None,
) -> Report:
    """Deploy, check, write down, and in development top up the relay's gas money. `chain_id` may
    be left out where one chain is configured.

    Raises SignerUnavailable, NodeUnavailable, PlatformDiffers and the errors above.
    """
    chain = config.chain(chain_id)
    status = SignerClient(chain.signer_socket).status()
    platform = platform_of(status, chain.chain_id)
    plan = _plan(platform, status)
    with Node(chain.rpc_urls, chain.chain_id) as node:
        node.check_chain()
        if not node.code(DEPLOYER):
            raise DeployerMissing(
                f"Chain {chain.chain_id} has no deterministic deployer at {checksum(DEPLOYER)}; "
                "have it placed there by its published, pre-signed transaction."
            )
        _write_down(config, chain, platform, plan, _scan_from(node, platform.relay))
        deployer = Deployer(node, read_key(key_file), chain.chain_id)
        contracts = []
        for name, planned in plan.items():
            if name == "PermitGuard":
                deployer.wait()  # Its constructor looks at the exit and the multisend.
            contracts.append(deployer.place(name, planned.init_code))
        funded = _fund(deployer, node, platform.relay, fund_relay_wei)
        deployer.wait()
        for placed in contracts:
            deployer.check(placed, plan[placed.name].code_hash)
            made = "made" if placed.made else "there"
            progress(f"{placed.name:<17} {checksum(placed.address)}  {made}")
        return Report(platform, tuple(contracts), node.balance(platform.relay), funded)


def _plan(platform: Platform, status: Mapping[str, Any]) -> dict[str, Planned]:
    """Every contract by name, in order: the platform's, and the anchor of the signer's officers."""
    deployment = platform.deployment
    planned = {
        name: Planned(init_code, OFFICIAL_CODE_HASHES.get(name, deployment.code_hash(name)))
        for name, init_code in deployment.platform().items()
    }
    officers = [parse_address(officer) for officer in status["officers"]]
    quorum = int(status["officer_quorum"])
    anchor = deployment.anchor_init_code(officers, quorum)
    return planned | {ANCHOR: Planned(anchor, runtime_keccak(ANCHOR, quorum=quorum))}


def _scan_from(node: Node, relay: Address) -> int:
    """From where on the relay's money has to be looked for: now, unless it was used before."""
    used = node.balance(relay) > 0 or node.transaction_count(relay) > 0
    return 0 if used else node.block_number()


def _fund(deployer: Deployer, node: Node, relay: Address, wanted_wei: int) -> int:
    missing = wanted_wei - node.balance(relay)
    if missing <= 0:
        return 0
    deployer.send(relay, b"", missing)
    return missing


def _write_down(
    config: Config,
    chain: ChainConfig,
    platform: Platform,
    plan: Mapping[str, Planned],
    scan_from_height: int,
) -> None:
    """The relay's key is watched, and its accounts are open, before any money reaches it; all
    addresses are in the audit log before anything stands at them.
    """
    database = Database(
        config.require_database_url(),
        clock=SystemClock(),
        pool_size=1,
        application_name="strongroom-deploy",
    )
    custody = wallets.custody_code(platform.chain_id, platform.relay)
    codes = (custody, GAS_ACCOUNT, EQUITY_ACCOUNT)
    try:
        with database.unit(HOUSE, system("deploy")) as uow:
            wallets.name_coin(uow, chain.chain_id, chain.native_asset)
            vaults.record_platform(uow, platform)
            wallets.watch(
                uow,
                chain_id=platform.chain_id,
                address=platform.relay,
                kind="relay",
                organisation_id=HOUSE,
                scan_from_height=scan_from_height,
            )
            coin = chain.native_asset
            ledger.open_accounts(uow, [AccountRef(HOUSE, code, coin) for code in codes])
            body = {
                "chain_id": platform.chain_id,
                "native_asset": chain.native_asset,
                "relay": checksum(platform.relay),
                "permit_signer": checksum(platform.permit_signer),
                "store_epoch": platform.store_epoch,
                "contracts": {name: checksum(planned.address) for name, planned in plan.items()},
            }
            auditlog.append(uow, "platform.deployed", str(platform.chain_id), body)
    finally:
        database.close()

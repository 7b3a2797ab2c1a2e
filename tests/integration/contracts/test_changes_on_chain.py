"""P1, P9: a vault on a real node, paid and changed by the protocol's own bytes: what the bundle
says is announced, waits two days, and holds from then on; what it does not say never happens.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum, create2, parse_address
from strongroom_protocol.authority import Bundle
from strongroom_protocol.deployment import DEPLOYER, Deployment, deploy_calldata
from strongroom_protocol.permit import Permit
from strongroom_protocol.safe import (
    Payment,
    SafeTx,
    batch_safe_tx,
    exec_calldata,
    pack_signatures,
    payment_safe_tx,
    permit_tail,
    rejection_safe_tx,
    safe_tx_hash,
)
from strongroom_protocol.transactions import Transaction1559
from strongroom_protocol.vault_changes import (
    IMMEDIATE,
    Change,
    change_call,
    change_hash,
    change_safe_tx,
    conforms,
    guard_as_signed,
)
from tests.factories.parts.anvil import Chain
from tests.unit.strongroom_protocol.organisation import (
    BEN,
    CAT,
    DAN,
    OTHER_PAYEE,
    PAYEE,
    Key,
    ascending,
    bundle,
    document,
    person,
)

RELAY, PERMIT, NEXT_PERMIT, FREEZER = (Key(n) for n in ("relay", "permit", "next", "freezer"))
GWEI, DAY, DAY_UNITS = 10**9, 86_400, 1_000
FIRST_OWNER, FOREVER = Address(bytes(19) + b"\x01"), 2**40
DOLLAR = Path(__file__).parents[3] / "scripts" / "first_day" / "test_dollar.json"
THIRD_PAYEE = Address(b"\x44" * 20)


@dataclass
class Ground:
    """A vault of three owners with 10,000 units in it, and whoever acts on it."""

    chain: Chain
    deployment: Deployment
    founding: Bundle
    token: Address
    keys: tuple[Key, ...] = (BEN, CAT)
    permit: Key = PERMIT
    guard: Address = ZERO
    version: int = 1
    policy: Bundle = field(init=False)

    def __post_init__(self) -> None:
        self.policy, self.guard = self.founding, self.deployment.guard

    @property
    def vault(self) -> Address:
        return self.deployment.vault_address(self.founding)

    def send(self, to: Address, data: bytes, by: Key = RELAY) -> bool:
        """By our own encoder; whether it succeeded."""
        account = checksum(by.address)
        nonce = int(str(self.chain.rpc("eth_getTransactionCount", account, "latest")), 16)
        parts = (self.chain.chain_id, nonce, GWEI, 10 * GWEI, 8_000_000, to, 0, data)
        tx = Transaction1559(*parts)
        signature = by.sign(tx.signing_hash())
        self.chain.rpc("eth_sendRawTransaction", "0x" + tx.signed_bytes(signature).hex())
        self.chain.mine()
        found: Any = self.chain.rpc("eth_getTransactionReceipt", "0x" + tx.hash(signature).hex())
        return bool(found["status"] == "0x1")

    def give(self, to: Address, value: int = 0, data: bytes = b"") -> None:
        """From the node's own money."""
        call = {"from": self.chain.accounts()[0], "to": checksum(to), "value": hex(value)}
        self.chain.rpc("eth_sendTransaction", call | {"data": "0x" + data.hex()})
        self.chain.mine()

    def execute(self, tx: SafeTx) -> bool:
        """With the signatures of `keys`, and a Permit by `permit` for `guard`."""
        digest = safe_tx_hash(self.chain.chain_id, self.vault, tx)
        leave = Permit(self.vault, digest, self.version, FOREVER)
        stamp = self.permit.sign(leave.digest(self.chain.chain_id, self.guard))
        owners = pack_signatures([(key.address, key.sign(digest)) for key in self.keys])
        tail = permit_tail(self.version, FOREVER, stamp)
        return self.send(self.vault, exec_calldata(tx, owners + tail))

    def pay(self, units: int, to: Address = PAYEE) -> bool:
        """Whether units of the token went there."""
        before = self.held(to)
        done = self.execute(payment_safe_tx(self.token, to, units, self.nonce()))
        assert self.held(to) == before + done * units
        return done

    def nonce(self) -> int:
        return self.number(self.vault, "nonce()")

    def held(self, account: Address) -> int:
        return self.number(self.token, "balanceOf(address)", abi.address(account))

    def number(self, to: Address, function: str, *arguments: bytes) -> int:
        data = "0x" + abi.call(function, *arguments).hex()
        call = {"to": checksum(to), "data": data}
        return int(str(self.chain.rpc("eth_call", call, "latest"))[2:66] or "0", 16)

    def wait(self, seconds: int) -> None:
        self.chain.rpc("evm_increaseTime", seconds)
        self.chain.mine()

    def govern(self, **changes: Any) -> None:
        """The next version of the policy."""
        self.version += 1
        first = self.founding.document()
        kept = {name: first[name] for name in ("vault", "tokens", "limits")}
        self.policy = bundle(**kept | {"version": self.version} | changes)

    def controls(self, **changes: Any) -> dict[str, Any]:
        """As founded, with the platform's guard, but for these."""
        names = ("owners", "threshold", "permit_signer", "freezers")
        vault = self.founding.document()["vault"]
        held = {name: vault[name] for name in names} | {"guard": checksum(self.deployment.guard)}
        return {"controls": held | changes}

    def step(self, change: Change, phase: str) -> bool:
        """One step of a change that the policy asks for."""
        assert conforms(change, self.policy, self.deployment) is None
        where = (self.nonce(), self.vault, self.guard, self.deployment)
        return self.execute(change_safe_tx(change, phase, *where))

    def make(self, change: Change) -> None:
        """Announced, refused until two days later, done, and refused a second time."""
        if change.kind in IMMEDIATE:
            assert self.step(change, "now")
            return
        assert not self.step(change, "execute"), "without an announcement"
        assert self.step(change, "announce")
        self.wait(2 * DAY - 60)
        assert not self.step(change, "execute"), "before the delay is over"
        self.wait(120)
        assert self.step(change, "execute")


def deploy_token(chain: Chain) -> Address:
    code = bytes.fromhex(json.loads(DOLLAR.read_text())["creation"][2:])
    owner = chain.accounts()[0]
    data = "0x" + (code + abi.address(parse_address(owner))).hex()
    sent = chain.rpc("eth_sendTransaction", {"from": owner, "data": data})
    chain.mine()
    receipt: Any = chain.rpc("eth_getTransactionReceipt", sent)
    return parse_address(receipt["contractAddress"])


@pytest.fixture
def ground(anvil: Chain) -> Ground:
    token = deploy_token(anvil)
    native, limit = document()["limits"]
    founding = bundle(
        tokens=[document()["tokens"][0], {"asset": "TUSD/6", "contract": checksum(token)}],
        limits=[native, limit | {"per_day_units": str(DAY_UNITS)}],
        vault=document()["vault"]
        | {
            "permit_signer": checksum(PERMIT.address),
            "limits": [
                {"token": None, "day_units": "1500"},
                {"token": checksum(token), "day_units": str(DAY_UNITS)},
            ],
        },
    )
    deployment = Deployment(anvil.chain_id, RELAY.address)
    found = Ground(anvil, deployment, founding, token)
    for key in (RELAY, FREEZER):
        found.give(key.address, 10**20)
    for code in deployment.platform().values():
        assert found.send(DEPLOYER, deploy_calldata(code))
    assert found.send(deployment.proxy_factory, deployment.create_vault_calldata(founding))
    mint = abi.call("mint(address,uint256)", abi.address(found.vault), abi.uint(10_000))
    found.give(token, data=mint)
    return found


def test_a_day_lets_through_what_the_bundle_says(ground: Ground) -> None:
    assert ground.pay(600)
    assert not ground.pay(401)
    assert ground.pay(400)
    assert not ground.pay(1)
    ground.wait(23 * 3600)
    assert not ground.pay(1), "the window rolls; nothing begins anew at midnight"
    ground.wait(4 * 3600)
    assert ground.pay(DAY_UNITS)


def test_a_batch_pays_all_or_nothing_within_the_same_limit(ground: Ground) -> None:
    multi_send = ground.deployment.multi_send
    two = [Payment(ground.token, PAYEE, 300), Payment(ground.token, OTHER_PAYEE, 500)]
    assert ground.execute(batch_safe_tx(two, ground.nonce(), multi_send))
    assert (ground.held(PAYEE), ground.held(OTHER_PAYEE)) == (300, 500)
    over = [Payment(ground.token, PAYEE, 150), Payment(ground.token, PAYEE, 150)]
    assert not ground.execute(batch_safe_tx(over, ground.nonce(), multi_send))
    stranger = [Payment(ground.token, PAYEE, 1), Payment(ground.token, THIRD_PAYEE, 1)]
    assert not ground.execute(batch_safe_tx(stranger, ground.nonce(), multi_send))
    assert ground.held(PAYEE) == 300


def test_an_owner_goes_and_the_others_pay_on(ground: Ground) -> None:
    owners = [checksum(one) for one in ascending(BEN, CAT)]
    ground.govern(**ground.controls(owners=owners))
    order = list(ground.founding.vault.owners)
    place = order.index(DAN.address)
    previous = order[place - 1] if place else FIRST_OWNER  # The Safe keeps setup's order.
    ground.make(Change("remove_owner", previous=previous, owner=DAN.address, threshold=2))
    assert ground.deployment.vault_address(ground.policy) == ground.vault
    ground.keys = (BEN, DAN)
    assert not ground.pay(1)
    ground.keys = (BEN, CAT)
    assert ground.pay(1)


def test_three_must_sign_from_then_on(ground: Ground) -> None:
    ground.govern(**ground.controls(threshold=3))
    ground.make(Change("change_threshold", threshold=3))
    assert not ground.pay(1)
    ground.keys = (BEN, CAT, DAN)
    assert ground.pay(1)


def test_a_limit_falls_at_once_and_rises_after_the_delay(ground: Ground) -> None:
    native, dollars = ground.founding.document()["limits"]
    ground.govern(limits=[native, dollars | {"per_day_units": "100"}])
    ground.make(Change("lower_limit", token=ground.token, day_units=100))
    assert not ground.pay(101)
    assert ground.pay(100)
    ground.govern(limits=[native, dollars | {"per_day_units": "2000"}])
    ground.make(Change("set_limit", token=ground.token, day_units=2_000))
    assert ground.pay(2_000)


def test_the_hsms_next_key_takes_over(ground: Ground) -> None:
    ground.govern(**ground.controls(permit_signer=checksum(NEXT_PERMIT.address)))
    ground.make(Change("set_permit_signer", permit_signer=NEXT_PERMIT.address))
    assert not ground.pay(1), "the old key permits nothing any more"
    ground.permit = NEXT_PERMIT
    assert ground.pay(1)


def test_another_guard_takes_over_with_what_the_bundle_says(ground: Ground) -> None:
    """The same code at another address stands for the next version of the guard."""
    code, salt = ground.deployment.guard_init_code, b"\x01".rjust(32, b"\0")
    assert ground.send(DEPLOYER, salt + code)
    successor = create2(DEPLOYER, salt, code)
    assert ground.pay(DAY_UNITS)
    entry = {"address": checksum(THIRD_PAYEE), "label": "new"}
    book = [*ground.founding.document()["address_book"], entry]
    ground.govern(**ground.controls(guard=checksum(successor)), address_book=book)
    ground.make(guard_as_signed(ground.policy, ground.deployment))
    assert not ground.pay(1), "a Permit for the old guard"
    ground.guard = successor
    assert ground.pay(1, THIRD_PAYEE)
    assert not ground.pay(DAY_UNITS, THIRD_PAYEE), "the limit stands there too"


def test_a_destination_cools_a_day_and_is_revoked_at_once(ground: Ground) -> None:
    entry = {"address": checksum(THIRD_PAYEE), "label": "new"}
    book = ground.founding.document()["address_book"]
    ground.govern(address_book=[*book, entry])
    ground.make(Change("announce_destination", destination=THIRD_PAYEE))
    assert not ground.pay(1, THIRD_PAYEE)
    ground.wait(DAY)
    assert ground.pay(1, THIRD_PAYEE)
    ground.govern(address_book=book)
    ground.make(Change("revoke_destination", destination=THIRD_PAYEE))
    assert not ground.pay(1, THIRD_PAYEE)


def test_who_may_freeze_comes_by_the_policy_and_stops_everything(ground: Ground) -> None:
    people = [*ground.founding.document()["people"], person(FREEZER, "compliance")]
    named = ground.controls(freezers=[checksum(FREEZER.address)])
    ground.govern(people=people, **named)
    ground.make(Change("set_freezers", freezers=(FREEZER.address,)))
    freeze = abi.call("freeze(address)", abi.address(ground.vault))
    assert not ground.send(ground.guard, freeze)
    assert ground.send(ground.guard, freeze, by=FREEZER)
    assert not ground.pay(1)
    assert ground.execute(rejection_safe_tx(ground.vault, ground.nonce()))
    ground.wait(3 * DAY + 1)
    assert ground.pay(1)


def test_what_was_taken_back_is_announced_anew(ground: Ground) -> None:
    ground.govern(**ground.controls(threshold=3))
    change = Change("change_threshold", threshold=3)
    assert ground.step(change, "announce")
    call = change_call(change, ground.vault, ground.guard, ground.deployment)
    ground.make(Change("cancel", change_hash=change_hash(call)))
    ground.wait(3 * DAY)
    assert not ground.step(change, "execute")
    ground.make(change)


def test_the_hash_that_is_announced_is_the_guards_own(ground: Ground) -> None:
    change = Change("change_threshold", threshold=3)
    call = change_call(change, ground.vault, ground.guard, ground.deployment)
    given = (
        abi.address(call.to), abi.uint(call.value), abi.byte_string(call.data),
        abi.uint(call.operation, 8),
    )  # fmt: skip
    computed = ground.number(ground.guard, "changeHash(address,uint256,bytes,uint8)", *given)
    assert computed.to_bytes(32, "big") == change_hash(call)

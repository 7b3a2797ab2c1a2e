"""P1, P9: a change of the vault is what the bundle says, and its bytes are what eth-abi makes."""

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.controls import AssetLimit, Controls
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.safe import SafeTxRefused, decode_calls
from strongroom_protocol.vault_changes import (
    IMMEDIATE,
    MEMBERS,
    Change,
    change_call,
    change_document,
    change_hash,
    change_safe_tx,
    conforms,
    guard_as_signed,
    parse_change,
)
from tests.unit.strongroom_protocol.organisation import (
    BEN,
    CAT,
    CHAIN_ID,
    DAN,
    OTHER_PAYEE,
    PAYEE,
    PERMIT_SIGNER,
    TOKEN,
    ascending,
    bundle,
)

PLATFORM = Deployment(CHAIN_ID, Address(b"\x0a" * 20))
VAULT, GUARD, FIRST = Address(b"\x01" * 20), Address(b"\x02" * 20), Address(bytes(19) + b"\x01")
STRANGER, SECOND_KEY = Address(b"\x09" * 20), Address(b"\x0d" * 20)
HELD = {
    "owners": [checksum(one) for one in ascending(BEN, CAT)],
    "threshold": 2,
    "guard": checksum(GUARD),
    "permit_signer": checksum(SECOND_KEY),
    "freezers": [],
}
POLICY = bundle(version=2, controls=HELD)
LIMITS = [AssetLimit(None, 1500), AssetLimit(TOKEN, 2_000_000)]
EVERY = (
    Change("add_owner", owner=CAT.address, threshold=2),
    Change("remove_owner", previous=FIRST, owner=DAN.address, threshold=2),
    Change("swap_owner", previous=FIRST, owner=DAN.address, new_owner=CAT.address),
    Change("change_threshold", threshold=2),
    Change("set_limit", token=TOKEN, day_units=2_000_000),
    Change("lower_limit", token=None, day_units=1500),
    Change("set_permit_signer", permit_signer=SECOND_KEY),
    Change("set_freezers"),
    Change("announce_destination", destination=PAYEE),
    Change("revoke_destination", destination=STRANGER),
    guard_as_signed(POLICY, PLATFORM),
    Change("cancel", change_hash=b"\x11" * 32),
)
OLD_GUARD = Address(b"\x03" * 20)
FUNCTIONS: dict[str, tuple[Address, str, list[object]]] = {
    "add_owner": (VAULT, "addOwnerWithThreshold(address,uint256)", [CAT.address, 2]),
    "remove_owner": (VAULT, "removeOwner(address,address,uint256)", [FIRST, DAN.address, 2]),
    "swap_owner": (
        VAULT, "swapOwner(address,address,address)", [FIRST, DAN.address, CAT.address]
    ),
    "change_threshold": (VAULT, "changeThreshold(uint256)", [2]),
    "set_limit": (OLD_GUARD, "setLimit(address,uint128)", [TOKEN, 2_000_000]),
    "lower_limit": (OLD_GUARD, "lowerLimit(address,uint128)", [ZERO, 1500]),
    "set_permit_signer": (OLD_GUARD, "setPermitSigner(address)", [SECOND_KEY]),
    "set_freezers": (OLD_GUARD, "setFreezers(address[])", [[]]),
    "announce_destination": (OLD_GUARD, "announceDestination(address)", [PAYEE]),
    "revoke_destination": (OLD_GUARD, "revokeDestination(address)", [STRANGER]),
    "cancel": (OLD_GUARD, "cancel(bytes32)", [b"\x11" * 32]),
}  # fmt: skip


def data_of(signature: str, values: list[object]) -> bytes:
    kinds = [one for one in signature[signature.index("(") + 1 : -1].split(",") if one]
    return keccak256(signature.encode())[:4] + encode(kinds, values)


def test_every_kind_is_there() -> None:
    assert [change.kind for change in EVERY] == list(MEMBERS)


@pytest.mark.parametrize("change", EVERY, ids=lambda change: change.kind)
def test_a_change_reads_back(change: Change) -> None:
    document = change_document(change)
    assert parse_change(document, "change") == change
    for wrong in ({"kind": "other"}, {"more": 1}, {"kind": 7}):
        with pytest.raises(ProtocolError):
            parse_change(document | wrong, "change")
    for name in document:
        with pytest.raises(ProtocolError):
            parse_change(document | {name: {"x": 1.5}}, "change")


@pytest.mark.parametrize("change", EVERY, ids=lambda change: change.kind)
def test_the_policy_asks_for_it(change: Change) -> None:
    assert conforms(change, POLICY, PLATFORM) is None


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_the_call_is_what_eth_abi_makes(kind: str) -> None:
    change = next(one for one in EVERY if one.kind == kind)
    call = change_call(change, VAULT, OLD_GUARD, PLATFORM)
    to, signature, values = FUNCTIONS[kind]
    assert (call.to, call.value, call.operation) == (to, 0, 0)
    assert call.data == data_of(signature, values)


def test_another_guard_comes_by_one_batch_that_ends_with_its_configuration() -> None:
    change = guard_as_signed(POLICY, PLATFORM)
    call = change_call(change, VAULT, OLD_GUARD, PLATFORM)
    calls = decode_calls(call.safe_tx(7), PLATFORM.multi_send)
    assert [one.to for one in calls] == [VAULT, VAULT, GUARD]
    assert calls[0].data == data_of("setModuleGuard(address)", [GUARD])
    assert calls[1].data == data_of("setGuard(address)", [GUARD])
    kinds = ["address", "(address,uint128)[]", "address[]", "address[]"]
    limits = [(ZERO, 1500), (TOKEN, 2_000_000)]
    assert calls[2].data == keccak256(f"configure({','.join(kinds)})".encode())[:4] + encode(
        kinds, [SECOND_KEY, limits, [PAYEE, OTHER_PAYEE], []]
    )
    assert change.limits == tuple(LIMITS)


@pytest.mark.parametrize("change", EVERY, ids=lambda change: change.kind)
def test_what_must_wait_is_announced_by_its_hash(change: Change) -> None:
    call = change_call(change, VAULT, OLD_GUARD, PLATFORM)
    kinds = ["address", "uint256", "bytes32", "uint8"]
    hashed = keccak256(encode(kinds, [call.to, 0, keccak256(call.data), call.operation]))
    assert change_hash(call) == hashed
    where = (9, VAULT, OLD_GUARD, PLATFORM)
    if change.kind in IMMEDIATE:
        assert change_safe_tx(change, "now", *where) == call.safe_tx(9)
        wrong = ("announce", "execute", "later")
    else:
        assert change_safe_tx(change, "execute", *where) == call.safe_tx(9)
        announced = change_safe_tx(change, "announce", *where)
        assert (announced.to, announced.operation, announced.nonce) == (OLD_GUARD, 0, 9)
        assert announced.data == data_of("announce(bytes32)", [hashed])
        wrong = ("now", "later", "")
    for phase in wrong:
        with pytest.raises(SafeTxRefused):
            change_safe_tx(change, phase, *where)


GUARDED = guard_as_signed(POLICY, PLATFORM)


@pytest.mark.parametrize(
    "change",
    [
        Change("add_owner", owner=STRANGER, threshold=2),
        Change("add_owner", owner=DAN.address, threshold=2),
        Change("add_owner", owner=CAT.address, threshold=1),
        Change("add_owner", owner=CAT.address, threshold=3),
        Change("remove_owner", previous=FIRST, owner=BEN.address, threshold=2),
        Change("remove_owner", previous=FIRST, owner=DAN.address, threshold=1),
        Change("swap_owner", previous=FIRST, owner=BEN.address, new_owner=CAT.address),
        Change("swap_owner", previous=FIRST, owner=DAN.address, new_owner=STRANGER),
        Change("change_threshold", threshold=1),
        Change("set_limit", token=TOKEN, day_units=2_000_001),
        Change("set_limit", token=STRANGER, day_units=0),
        Change("set_limit", token=STRANGER, day_units=1),
        Change("lower_limit", token=TOKEN, day_units=1),
        Change("lower_limit", token=STRANGER, day_units=1),
        Change("set_permit_signer", permit_signer=PERMIT_SIGNER),
        Change("set_freezers", freezers=(STRANGER,)),
        Change("announce_destination", destination=STRANGER),
        Change("revoke_destination", destination=PAYEE),
        replace(GUARDED, guard=STRANGER),
        replace(GUARDED, permit_signer=STRANGER),
        replace(GUARDED, limits=GUARDED.limits[:1]),
        replace(GUARDED, destinations=(*GUARDED.destinations, Address(b"\xee" * 20))),
        replace(GUARDED, freezers=(STRANGER,)),
    ],
    ids=repr,
)
def test_what_the_policy_does_not_ask_for_is_refused_in_words(change: Change) -> None:
    why = conforms(change, POLICY, PLATFORM)
    assert why is not None
    assert len(why) > 10


def test_an_asset_that_left_the_policy_is_lowered_to_nothing() -> None:
    assert conforms(Change("lower_limit", token=STRANGER), POLICY, PLATFORM) is None


def test_while_people_are_exchanged_the_threshold_lies_between_before_and_after() -> None:
    before = Controls(ascending(BEN), 1, None, PERMIT_SIGNER, ())
    for threshold, expected in ((1, True), (2, True), (3, False)):
        change = Change("add_owner", owner=CAT.address, threshold=threshold)
        assert (conforms(change, POLICY, PLATFORM, before) is None) is expected


def test_without_controls_the_platforms_guard_is_asked_for() -> None:
    assert guard_as_signed(bundle(), PLATFORM).guard == PLATFORM.guard

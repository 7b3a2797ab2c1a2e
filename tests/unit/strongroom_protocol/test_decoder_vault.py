"""P5: batches and changes of the vault in plain words; one that hides something is refused."""

from dataclasses import replace

import pytest

from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.controls import AssetLimit
from strongroom_protocol.decoded import DecodingRefused, Place
from strongroom_protocol.decoder import decode_safe_tx
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.safe import (
    Call,
    Payment,
    SafeTx,
    batch_call,
    batch_safe_tx,
    domain,
)
from strongroom_protocol.vault_changes import (
    IMMEDIATE,
    MEMBERS,
    Change,
    change_call,
    change_hash,
    change_safe_tx,
)
from tests.unit.strongroom_protocol.decoding import (
    BUNDLE,
    GUARD,
    KNOWN,
    MULTI_SEND,
    PAYMENT,
    VAULT,
    call,
    codes,
    read,
)
from tests.unit.strongroom_protocol.organisation import (
    BEN,
    CAT,
    CHAIN_ID,
    DAN,
    OTHER_PAYEE,
    PAYEE,
    TOKEN,
)

REMOVE_DAN = (
    f"Remove Dan ({checksum(DAN.address)}) from the owners; from then on 2 owners must sign."
)


@pytest.mark.parametrize(
    ("tx", "words", "wanted"),
    [
        (
            call(VAULT, "addOwnerWithThreshold(address,uint256)", CAT.address, 2),
            f"Add Cat ({checksum(CAT.address)}) to the owners; from then on 2 owners must sign.",
            {"owner_change"},
        ),
        (
            call(VAULT, "removeOwner(address,address,uint256)", b"\1" * 20, DAN.address, 2),
            REMOVE_DAN,
            {"owner_change", "threshold_deadlock"},
        ),
        (
            call(VAULT, "changeThreshold(uint256)", 3),
            "From then on 3 owners must sign.",
            {"owner_change", "threshold_deadlock"},
        ),
        (
            call(GUARD, "lowerLimit(address,uint128)", TOKEN, 5_000_000),
            "Lower the most that may leave the vault to 5 TUSD in 24 hours.",
            set(),
        ),
        (
            call(GUARD, "announceDestination(address)", PAYEE),
            f"Let a payee ({checksum(PAYEE)}) be paid, after a delay.",
            {"change_announced"},
        ),
        (
            call(GUARD, "setPermitSigner(address)", b"\x77" * 20),
            f"From then on permits are made by {checksum(Address(b'w' * 20))}.",
            {"permit_key_change"},
        ),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_a_change_of_the_vault_in_words(tx, words, wanted):
    found = read(tx)
    assert [line.text for line in found.lines] == [words]
    assert codes(found) == wanted


def test_swapping_an_owner_in_words():
    swap = call(VAULT, "swapOwner(address,address,address)", b"\1" * 20, DAN.address, BEN.address)
    assert read(swap).lines[0].text.startswith("Put Ben (")


NEW_GUARD = Address(b"\x77" * 20)


def succession(
    first: Address = NEW_GUARD, second: Address = NEW_GUARD, third: Address = NEW_GUARD
) -> list[Call]:
    """The batch that P's vault_changes makes, or one that is not whole."""
    configure = call(
        third,
        "configure(address,(address,uint128)[],address[],address[])",
        b"\x78" * 20,
        [(ZERO, 10**18), (TOKEN, 10**6)],
        [PAYEE],
        [],
    )
    return [
        Call(VAULT, 0, call(VAULT, "setModuleGuard(address)", first).data),
        Call(VAULT, 0, call(VAULT, "setGuard(address)", second).data),
        Call(third, 0, configure.data),
    ]


def test_a_change_of_guards_in_words_and_only_whole():
    good = batch_call(succession(), MULTI_SEND)
    found = read(good.safe_tx(3))
    assert (found.kind, len(found.lines)) == ("batch", 3)
    assert "at most 1 ETH in 24 hours, 1 TUSD in 24 hours" in found.lines[2].text
    assert "frozen by nobody" in found.lines[2].text
    assert codes(found) == {"guard_change"}
    announce = call(GUARD, "announce(bytes32)", change_hash(good))
    told = read(announce, replace(KNOWN, announced=(good,)))
    assert told.lines[0].text == "Announce: Change the guard."
    assert codes(told) == {"change_announced", "guard_change"}
    for wrong in (
        succession(ZERO, ZERO),
        succession(second=PAYEE),
        succession(third=PAYEE),
        succession()[:2],
        [*succession(), Call(PAYEE, 1, b"")],
        [succession()[1], succession()[0], succession()[2]],
        [replace(succession()[0], value=1), *succession()[1:]],
    ):
        with pytest.raises(DecodingRefused):
            read(batch_call(wrong, MULTI_SEND).safe_tx(3))


def test_every_change_that_a_policy_can_ask_for_has_words():
    """Each kind of vault_changes, announced and executed."""
    deployment = Deployment(CHAIN_ID, BEN.address)
    place = Place(VAULT, deployment.guard, deployment.multi_send)
    limits = (AssetLimit(None, 5), AssetLimit(TOKEN, 6))
    for kind, members in MEMBERS.items():
        change = Change(
            kind, owner=BEN.address, previous=CAT.address, new_owner=DAN.address, threshold=2,
            token=TOKEN, day_units=7, permit_signer=PAYEE, guard=NEW_GUARD, destination=PAYEE,
            limits=limits, destinations=(PAYEE,), freezers=(PAYEE,),
        )  # fmt: skip
        assert members
        meant = change_call(change, VAULT, place.guard, deployment)
        if kind == "cancel":
            meant = change_call(replace(change, kind="set_limit"), VAULT, place.guard, deployment)
            change = replace(change, change_hash=change_hash(meant))
        known = replace(KNOWN, announced=(meant,))
        for phase in ("now",) if kind in IMMEDIATE else ("announce", "execute"):
            tx = change_safe_tx(change, phase, 3, VAULT, place.guard, deployment)
            found = decode_safe_tx(tx, domain(CHAIN_ID, VAULT), BUNDLE, place, known)
            assert all(line.text.endswith(".") for line in found.lines), (kind, phase)


# --- batches --------------------------------------------------------------------------------

PAYMENTS = [Payment(TOKEN, PAYEE, 1_500_000), Payment(ZERO, OTHER_PAYEE, 10**18)]
BATCH = batch_safe_tx(PAYMENTS, 3, MULTI_SEND)


def packed(*items: bytes) -> SafeTx:
    body = b"".join(items)
    data = abi.call("multiSend(bytes)", abi.byte_string(body))
    return SafeTx(MULTI_SEND, 0, data, 3, 1)


def item(to: Address, value: int, data: bytes = b"", operation: int = 0) -> bytes:
    return bytes([operation]) + to + abi.uint(value) + abi.uint(len(data)) + data


def test_a_batch_is_shown_payment_by_payment():
    found = read(BATCH)
    assert found.kind == "batch"
    assert [line.text for line in found.lines] == [
        f"Pay 1.5 TUSD to a payee ({checksum(PAYEE)}).",
        f"Pay 1 ETH to a payee ({checksum(OTHER_PAYEE)}).",
    ]
    assert codes(found) == {"first_payment"}


def test_an_item_packed_by_hand_is_the_same_batch():
    assert read(packed(item(PAYEE, 5))).lines[0].text.startswith("Pay 0.000000000000000005 ETH")


HIDDEN = {
    "an inner to of zero is the Safe itself": packed(item(PAYEE, 5), item(ZERO, 0, b"\1\2\3\4")),
    "an inner payment to zero": packed(item(ZERO, 5)),
    "an inner delegatecall": packed(item(PAYEE, 5, operation=1)),
    "a batch in a batch": packed(item(MULTI_SEND, 0, BATCH.data)),
    "an inner call to the vault": packed(item(PAYEE, 5), item(VAULT, 0, b"\1\2\3\4")),
    "an inner call to the guard": packed(item(PAYEE, 5), item(GUARD, 0, b"\1\2\3\4")),
    "an inner approve": packed(
        item(TOKEN, 0, abi.selector("approve(address,uint256)") + PAYMENT.data[4:])
    ),
    "a plain call of the multisend": replace(BATCH, operation=0),
    "an empty batch": packed(),
    "a refund beside a batch": replace(BATCH, base_gas=1, gas_price=1),
    "value beside a batch": replace(BATCH, value=1),
    "bytes behind the batch": replace(BATCH, data=BATCH.data + b"\0" * 32),
    "bytes behind the last item": packed(item(PAYEE, 5), b"\0"),
    "a decoy offset": replace(
        BATCH, data=BATCH.data[:4] + abi.uint(64) + abi.uint(0) + BATCH.data[36:]
    ),
    "another multisend": replace(BATCH, to=PAYEE),
}


@pytest.mark.parametrize("trick", HIDDEN.values(), ids=HIDDEN.keys())
def test_a_batch_that_hides_something_is_refused(trick):
    """Rule 4: an inner zero address and a decoy offset each took a guard's slot."""
    with pytest.raises(DecodingRefused) as caught:
        read(trick)
    assert caught.value.code == "decoder.refused"


def test_an_announcement_says_what_it_announces():
    tx = call(VAULT, "changeThreshold(uint256)", 1)
    meant = Call(tx.to, tx.value, tx.data)
    announce = call(GUARD, "announce(bytes32)", change_hash(meant))
    found = read(announce, replace(KNOWN, announced=(meant,)))
    assert found.kind == "announcement"
    assert found.lines[0].text == "Announce: From then on 1 owners must sign."
    assert codes(found) == {"change_announced", "owner_change"}
    other = replace(meant, data=call(VAULT, "changeThreshold(uint256)", 2).data)
    with pytest.raises(DecodingRefused, match="was not given"):
        read(announce, replace(KNOWN, announced=(other,)))
    cancel = call(GUARD, "cancel(bytes32)", change_hash(meant))
    assert read(cancel, replace(KNOWN, announced=(meant,))).kind == "cancellation"
    for hidden in (
        replace(meant, value=1),
        replace(meant, operation=1),
        Call(PAYEE, 0, call(GUARD, "lowerLimit(address,uint128)", TOKEN, 5).data),
        batch_call([meant], MULTI_SEND),
    ):
        with pytest.raises(DecodingRefused):
            read(
                call(GUARD, "announce(bytes32)", change_hash(hidden)),
                replace(KNOWN, announced=(hidden,)),
            )

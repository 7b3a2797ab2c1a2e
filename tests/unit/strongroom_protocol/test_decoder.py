"""P5: what an approver reads comes from the very bytes; what can't be read is refused."""

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.cautions import looks_alike
from strongroom_protocol.decoded import DecodingRefused
from strongroom_protocol.decoder import decode_order
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.safe import (
    SafeTx,
    domain,
    payment_safe_tx,
    rejection_safe_tx,
)
from strongroom_protocol.typed_data import as_json
from tests.unit.strongroom_protocol.decoding import (
    GUARD,
    KNOWN,
    PAYMENT,
    VAULT,
    call,
    codes,
    read,
)
from tests.unit.strongroom_protocol.organisation import (
    CHAIN_ID,
    NOW,
    OTHER_PAYEE,
    PAYEE,
    TOKEN,
    bundle,
)


def test_a_payment_says_who_gets_how_much():
    found = read(PAYMENT)
    assert [line.text for line in found.lines] == [
        f"Pay 1,250.5 TUSD to a payee ({checksum(PAYEE)})."
    ]
    line = found.lines[0]
    assert (line.kind, line.call) == ("payment", "transfer(address,uint256)")
    assert (line.token, line.recipient, line.units) == (TOKEN, PAYEE, 1_250_500_000)
    assert found.cautions == ()


def test_the_native_coin_and_its_worth():
    known = replace(KNOWN, value_of=lambda code, units: f"{code} {units}")
    found = read(payment_safe_tx(ZERO, PAYEE, 10**18, 3), known)
    assert found.lines[0].text.startswith("Pay 1 ETH to ")
    assert (found.lines[0].call, found.lines[0].value) == ("", f"ETH/18 {10**18}")


@pytest.mark.parametrize("tx", [PAYMENT, rejection_safe_tx(VAULT, 9)], ids=["payment", "rejection"])
def test_the_three_digests_are_those_of_a_wallet(tx):
    """What eth_signTypedData_v4 hashes: a device that signs hashes shows the same two."""
    found = read(tx)
    theirs = encode_typed_data(full_message=as_json(tx.typed(domain(CHAIN_ID, VAULT))))
    assert (found.domain_hash, found.message_hash) == (theirs.header, theirs.body)
    assert found.digest == tx.digest_in(domain(CHAIN_ID, VAULT))


def test_a_rejection_says_that_it_only_uses_the_number_up():
    found = read(rejection_safe_tx(VAULT, 9))
    assert found.kind == "rejection"
    assert "use up number 9" in found.lines[0].text


TRICKS = {
    "refund fields": replace(PAYMENT, gas_price=1, base_gas=1, refund_receiver=PAYEE),
    "gas token": replace(PAYMENT, gas_token=TOKEN),
    "delegatecall": replace(PAYMENT, operation=1),
    "an operation that is none": replace(PAYMENT, operation=2),
    "rejection with refund": replace(rejection_safe_tx(VAULT, 3), gas_price=1),
    "rejection by delegatecall": replace(rejection_safe_tx(VAULT, 3), operation=1),
    "approve": replace(PAYMENT, data=abi.selector("approve(address,uint256)") + PAYMENT.data[4:]),
    "transferFrom": SafeTx(
        TOKEN,
        0,
        abi.selector("transferFrom(address,address,uint256)")
        + abi_encode(["address", "address", "uint256"], [VAULT, PAYEE, 1]),
        3,
    ),
    "trailing bytes": replace(PAYMENT, data=PAYMENT.data + b"\0"),
    "cut short": replace(PAYMENT, data=PAYMENT.data[:-1]),
    "dirty padding": replace(PAYMENT, data=PAYMENT.data[:4] + b"\1" + PAYMENT.data[5:]),
    "value beside a token": replace(PAYMENT, value=1),
    "call data beside value": SafeTx(PAYEE, 5, b"\1", 3),
    "an unlisted token": payment_safe_tx(Address(b"\x99" * 20), PAYEE, 5, 3),
    "nothing to nobody": SafeTx(ZERO, 0, b"", 3),
    "money to the guard": payment_safe_tx(ZERO, GUARD, 5, 3),
    "tokens to the vault itself": payment_safe_tx(TOKEN, VAULT, 5, 3),
    "value to the vault itself": SafeTx(VAULT, 1, b"", 3),
    "SignMessageLib": SafeTx(PAYEE, 0, abi.selector("signMessage(bytes)") + b"\0" * 64, 3, 1),
    "enableModule": call(VAULT, "enableModule(address)", PAYEE),
    "setFallbackHandler": call(VAULT, "setFallbackHandler(address)", TOKEN),
    "setGuard(0)": call(VAULT, "setGuard(address)", ZERO),
    "setModuleGuard(0)": call(VAULT, "setModuleGuard(address)", ZERO),
    "a change by delegatecall": replace(call(VAULT, "changeThreshold(uint256)", 1), operation=1),
    "a change with value": replace(call(VAULT, "changeThreshold(uint256)", 1), value=1),
    "a change with refund": replace(call(VAULT, "changeThreshold(uint256)", 1), gas_price=1),
    "a change with a tail": replace(
        (one := call(VAULT, "changeThreshold(uint256)", 1)), data=one.data + b"\0" * 32
    ),
    "a hash of nothing known": call(GUARD, "announce(bytes32)", b"\7" * 32),
    "a limit for an unlisted token": call(GUARD, "setLimit(address,uint128)", b"\x99" * 20, 5),
    "a guard's call to the Safe": call(VAULT, "lowerLimit(address,uint128)", TOKEN, 5),
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS.keys())
def test_what_cannot_be_decoded_is_refused(trick):
    """Rules 3, 4, 6 and 10 of the vault's facts: each of these emptied a vault, or could."""
    with pytest.raises(DecodingRefused) as caught:
        read(trick)
    assert caught.value.code == "decoder.refused"
    assert len(str(caught.value)) > 20


def test_a_decoy_offset_is_refused():
    """The list that one reader finds at another place than the next."""
    good = call(GUARD, "setFreezers(address[])", [PAYEE])
    assert read(good).lines[0].text.startswith("From then on the vault is frozen by a payee")
    body = good.data[4:]
    decoy = (64).to_bytes(32, "big") + bytes(32) + body[32:]
    for data in (decoy, (2**200).to_bytes(32, "big"), body[:32] + b"\xff" * 32):
        with pytest.raises(DecodingRefused):
            read(replace(good, data=good.data[:4] + data))


def test_another_vault_or_chain_is_not_ours():
    for within in (domain(CHAIN_ID + 1, VAULT), domain(CHAIN_ID, GUARD)):
        with pytest.raises(DecodingRefused, match="another chain or another vault"):
            read(PAYMENT, within=within)


# --- cautions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("0xabcd" + "1" * 32 + "ef01", "0xabcd" + "2" * 32 + "ef01", True),
        ("0xabcd" + "1" * 32 + "ef01", "0xabcd" + "1" * 32 + "ef01", False),
        ("0xabcd" + "1" * 32 + "ef01", "0xabce" + "1" * 32 + "ef01", False),
        ("0xabcd" + "1" * 32 + "ef01", "0xabcd" + "1" * 32 + "ef02", False),
        ("0xbbcd" + "1" * 32 + "ef01", "0xabcd" + "1" * 32 + "ef01", False),
        ("0xabcd" + "1" * 32 + "ff01", "0xabcd" + "1" * 32 + "ef01", False),
    ],
)
def test_look_alikes_are_those_of_four_digits_at_both_ends(one, other, alike):
    first, second = parse_address(one), parse_address(other)
    assert looks_alike(first, second) is alike
    # The letters' case is a checksum: it makes no difference between addresses.
    assert looks_alike(parse_address(checksum(first)), second) is alike


@given(st.binary(min_size=20, max_size=20), st.binary(min_size=20, max_size=20))
def test_alike_means_the_text_begins_and_ends_the_same(one, other):
    texts = [checksum(Address(each)).lower()[2:] for each in (one, other)]
    same_ends = texts[0][:4] == texts[1][:4] and texts[0][-4:] == texts[1][-4:]
    assert looks_alike(Address(one), Address(other)) is (same_ends and one != other)


def test_a_look_alike_of_a_known_address_is_pointed_out():
    twin = Address(PAYEE[:2] + b"\xaa" * 16 + PAYEE[-2:])
    found = read(payment_safe_tx(TOKEN, twin, 5, 3))
    assert codes(found) == {"look_alike", "not_in_address_book", "first_payment"}
    assert checksum(PAYEE) in next(one.text for one in found.cautions if one.code == "look_alike")
    # Also of one that was only paid before, and stands in no book.
    stranger = Address(b"\xcd" * 20)
    other = Address(stranger[:2] + bytes(16) + stranger[-2:])
    known = replace(KNOWN, paid=frozenset({stranger}))
    assert "look_alike" in codes(read(payment_safe_tx(TOKEN, other, 5, 3), known))


def test_a_first_payment_and_a_cooling_entry_are_pointed_out():
    known = replace(KNOWN, usable_from={OTHER_PAYEE: NOW + 3_600})
    found = read(payment_safe_tx(TOKEN, OTHER_PAYEE, 5, 3), known)
    assert codes(found) == {"first_payment", "cooling"}
    unlisted = replace(known, usable_from={OTHER_PAYEE: 0})
    found = read(payment_safe_tx(TOKEN, OTHER_PAYEE, 5, 3), unlisted)
    assert codes(found) == {"first_payment", "not_announced"}
    over = replace(known, usable_from={OTHER_PAYEE: NOW})
    assert codes(read(payment_safe_tx(TOKEN, OTHER_PAYEE, 5, 3), over)) == {"first_payment"}


# --- orders ---------------------------------------------------------------------------------

KEY = Address(b"\x4b" * 20)
SPENDING = bundle(
    spending=[
        {
            "kind": "hot",
            "index": 0,
            "address": checksum(KEY),
            "threshold": 1,
            "limits": [
                {"asset": "TUSD/6", "per_payment_units": "1000000", "per_day_units": "2000000"}
            ],
        }
    ]
)


def order(**changes: Any) -> Withdrawal:
    fields: dict[str, Any] = {
        "organisation": SPENDING.organisation,
        "wallet": KEY,
        "token": TOKEN,
        "to": PAYEE,
        "units": 1_500_000,
        "max_fee_wei": 5,
        "reference": "invoice 17",
        "valid_until": NOW + 60,
        "policy_version": 1,
        "store_epoch": 1,
    }
    return Withdrawal(**{**fields, **changes})


def test_an_order_of_a_spending_key_in_words():
    found = decode_order(order(), SPENDING, KNOWN)
    assert found.lines[0].text == f"Pay 1.5 TUSD to a payee ({checksum(PAYEE)})."
    theirs = encode_typed_data(full_message=order().as_json(CHAIN_ID))
    assert (found.domain_hash, found.message_hash) == (theirs.header, theirs.body)
    assert found.digest == order().digest(CHAIN_ID)


@pytest.mark.parametrize(
    "changed",
    [{"organisation": b"\1" * 32}, {"wallet": PAYEE, "to": KEY}, {"token": Address(b"\x99" * 20)}],
    ids=["another organisation's", "no spending key", "an unlisted token"],
)
def test_an_order_that_is_not_ours_is_refused(changed):
    with pytest.raises(DecodingRefused):
        decode_order(order(**changed), SPENDING, KNOWN)

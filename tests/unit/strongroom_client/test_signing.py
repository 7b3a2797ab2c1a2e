"""P5: the SDK signs what a person means, and agrees with the protocol byte for byte."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_client import Payment, Refused, Signatory, intents
from strongroom_client.signing import content_hash, digest
from strongroom_protocol import safe
from strongroom_protocol.addresses import ZERO, checksum, parse_address
from strongroom_protocol.canonical import content_hash as protocol_content_hash
from strongroom_protocol.intents import VaultPayment, Withdrawal
from strongroom_protocol.safe import payment_safe_tx, safe_tx_hash
from strongroom_protocol.signatures import Signature, recover

CHAIN = 31337
VAULT = checksum(b"\x0a" * 20)
SUPPLIER = checksum(b"\x0b" * 20)
TOKEN = checksum(b"\x0c" * 20)
ANNA = Signatory("0x" + "42" * 32)
addresses = st.binary(min_size=20, max_size=20).filter(any).map(checksum)


def intent(**changed: object) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "organisation": "0x" + "01" * 32,
        "wallet": VAULT,
        "token": TOKEN,
        "to": SUPPLIER,
        "units": "1234",
        "maxFeeWei": "1000000",
        "reference": "invoice 17",
        "validUntil": "1800000000",
        "policyVersion": "1",
        "storeEpoch": "1",
    }
    return {**fields, **changed}


@given(to=addresses, token=addresses, units=st.integers(1, 2**255), nonce=st.integers(0, 2**32))
def test_p5_client_and_protocol_sign_the_same_bytes(
    to: str, token: str, units: int, nonce: int
) -> None:
    if to == token:
        return
    fields = intent(to=to, token=token, units=str(units))
    withdrawal = Withdrawal.from_fields(fields)
    assert digest(intents.withdrawal(fields, CHAIN)) == withdrawal.digest(CHAIN)
    vault = parse_address(VAULT)
    safe_tx = payment_safe_tx(parse_address(token), parse_address(to), units, nonce)
    expected = safe_tx_hash(CHAIN, vault, safe_tx)
    payment = Payment(to, token, units)
    assert digest(intents.safe_payment(payment, VAULT, nonce, CHAIN)) == expected
    signed = ANNA.approve_payment(fields, VAULT, nonce, CHAIN, payment)
    readable = VaultPayment(
        withdrawal.digest(CHAIN), expected, parse_address(to), parse_address(token), units
    )
    for digest_, name in (
        (expected, "safe_tx_signature"),
        (readable.digest(CHAIN), "payment_signature"),
    ):
        signature = Signature.parse(bytes.fromhex(signed[name][2:]))
        assert checksum(recover(digest_, signature)) == ANNA.address


@pytest.mark.parametrize(
    "changed",
    [{"to": TOKEN}, {"token": intents.NATIVE}, {"units": "1235"}],
    ids=["receiver", "token", "amount"],
)
def test_p5_a_bent_intent_is_not_signed(changed: dict[str, str]) -> None:
    meant = Payment(SUPPLIER, TOKEN, 1234)
    with pytest.raises(Refused, match="nothing was signed"):
        ANNA.sign_withdrawal(intent(**changed), CHAIN, meant)
    with pytest.raises(Refused, match="nothing was signed"):
        ANNA.approve_payment(intent(**changed), VAULT, 0, CHAIN, meant)


def test_p5_another_wallet_is_not_approved() -> None:
    meant = Payment(SUPPLIER, TOKEN, 1234)
    with pytest.raises(Refused):
        ANNA.approve_payment(intent(wallet=TOKEN), VAULT, 0, CHAIN, meant)


def test_a_documents_hash_is_the_protocols() -> None:
    document = {"b": [1, "ü", None, True], "a": {"z": "1", "y": -5}}
    assert content_hash(document) == protocol_content_hash(document)


def test_a_batch_is_signed_as_the_protocol_makes_it_and_only_what_is_meant():
    multi_send = checksum(b"\x2e" * 20)
    token, coin = Payment(SUPPLIER, TOKEN, 5), Payment(SUPPLIER, intents.NATIVE, 7)
    made = intents.safe_batch([token, coin], multi_send, VAULT, 3, CHAIN)
    to = parse_address(SUPPLIER)
    theirs = [safe.Payment(parse_address(TOKEN), to, 5), safe.Payment(ZERO, to, 7)]
    ours = safe.batch_safe_tx(theirs, 3, parse_address(multi_send))
    assert digest(made) == safe_tx_hash(CHAIN, parse_address(VAULT), ours)
    fields = intent(units="5")
    more: dict[str, Any] = {"vault": VAULT, "safe_nonce": 3, "multi_send": multi_send}
    signed = ANNA.approve_in_batch(fields, CHAIN, token, batch=[token, coin], **more)
    assert signed["safe_tx_signature"] == ANNA.sign(made)
    with pytest.raises(Refused):
        ANNA.approve_in_batch(fields, CHAIN, token, batch=[coin], **more)
    with pytest.raises(Refused):
        ANNA.approve_in_batch(fields, CHAIN, token, batch=[token, token], **more)

"""A fault in either encoder is refused: the two never agree on wrong bytes by chance."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from strongroom_protocol import intents, permit, rlp, safe
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.intents import AddressProvenance
from strongroom_protocol.permit import Permit
from strongroom_protocol.safe import Payment, SafeTx, batch_safe_tx, payment_safe_tx
from strongroom_protocol.transactions import (
    Authorization,
    LegacyTransaction,
    Transaction1559,
    TransactionInvalid,
)
from strongroom_protocol.typed_data import Domain
from strongroom_signer import second
from strongroom_signer.agreement import (
    agreed,
    agreed_batch,
    agreed_payment,
    agreed_permit,
    agreed_statement,
)
from strongroom_signer.errors import Refused

PAYEE, OTHER = Address(b"\x35" * 20), Address(b"\x53" * 20)
CALL = Transaction1559(31337, 3, 2, 50, 100_000, PAYEE, 7, b"\1\0\2" * 20)
OLD = LegacyTransaction(31337, 3, 50, 100_000, PAYEE, 7, b"\1\0\2" * 20)
DELEGATION = Authorization(31337, PAYEE, 0)
PERMIT = Permit(PAYEE, b"\5" * 32, 3, 1_800_000_000)
STATEMENT = AddressProvenance(b"\1" * 32, "m/44'/60'/0'/0/9", PAYEE)
PAID = Payment(OTHER, PAYEE, 1000)
SAFE_TX = payment_safe_tx(OTHER, PAYEE, 1000, 4)
MULTI_SEND = Address(b"\x2e" * 20)
PAYMENTS = (PAID, Payment(ZERO, PAYEE, 5))
BATCH = batch_safe_tx(PAYMENTS, 4, MULTI_SEND)
ASKED: dict[str, Callable[[], bytes]] = {
    "call": lambda: agreed(CALL),
    "old call": lambda: agreed(OLD),
    "delegation": lambda: agreed(DELEGATION),
    "permit": lambda: agreed_permit(31337, OTHER, PERMIT),
    "statement": lambda: agreed_statement(31337, STATEMENT),
    "payment": lambda: agreed_payment(31337, PAYEE, SAFE_TX, PAID),
    "batch": lambda: agreed_batch(31337, PAYEE, BATCH, PAYMENTS, MULTI_SEND),
}
# Module, name, the fault, and what is asked for.
FAULTS: list[tuple[Any, str, Any, str]] = [
    (rlp, "_prefix", lambda offset, length: bytes([offset - length % 56]), "call"),
    (rlp, "_prefix", lambda offset, length: bytes([offset - length % 56]), "delegation"),
    (second, "_head", lambda short, _long, size: bytes([short[0] ^ size % 56]), "old call"),
    (second, "_number", lambda value: value.to_bytes(8, "big"), "call"),
    (second, "_word", lambda value, _width=32: value.to_bytes(32, "little"), "permit"),
    (second, "_place", lambda address: address + bytes(12), "statement"),
    (second, "_VERSION", b"", "statement"),
    (second, "_GUARD", b"", "permit"),
    (second, "TRANSFER", bytes.fromhex("095ea7b3"), "payment"),
    (second, "TRANSFER", bytes.fromhex("095ea7b3"), "batch"),
    (second, "_paying", lambda _token, to, units: (to, units, b""), "batch"),
    (second, "_batch_data", lambda _calls: b"", "batch"),
    (permit, "domain", lambda chain, at: Domain("StrongroomGuard", None, chain, at), "permit"),
    (intents, "domain", lambda _chain: Domain("Strongroom", "1"), "statement"),
    (safe, "domain", lambda _chain, at: Domain(verifying_contract=at), "payment"),
    (Transaction1559, "TYPE", 1, "call"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_agreed_on_before() -> None:
    agreed.cache_clear()


@pytest.mark.parametrize("name", ASKED)
def test_sound_encoders_agree(name: str) -> None:
    assert len(ASKED[name]()) == 32


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_a_fault_in_either_encoder_is_refused(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, fault, asked = FAULTS[number]
    monkeypatch.setattr(module, name, fault)
    with pytest.raises(Refused) as refusal:
        ASKED[asked]()
    assert refusal.value.code == "signer.encoders_differ"
    assert not refusal.value.retryable


@pytest.mark.parametrize(
    ("tx", "paid"),
    [
        (SAFE_TX, Payment(OTHER, PAYEE, 1001)),
        (SAFE_TX, Payment(PAYEE, PAYEE, 1000)),
        (SAFE_TX, Payment(OTHER, OTHER, 1000)),
        (SafeTx(SAFE_TX.to, 0, SAFE_TX.data, 4, operation=1), PAID),
        (SafeTx(SAFE_TX.to, 0, SAFE_TX.data, 4, gas_price=1), PAID),
        (SafeTx(SAFE_TX.to, 1, SAFE_TX.data, 4), PAID),
    ],
)
def test_a_safe_transaction_that_pays_otherwise_is_refused(tx: SafeTx, paid: Payment) -> None:
    with pytest.raises(Refused, match="payment"):
        agreed_payment(31337, PAYEE, tx, paid)


@pytest.mark.parametrize(
    ("tx", "paid"),
    [
        (BATCH, PAYMENTS[:1]),
        (BATCH, PAYMENTS[::-1]),
        (BATCH, (*PAYMENTS, PAID)),
        (SafeTx(BATCH.to, 0, BATCH.data, 4), PAYMENTS),
        (SafeTx(BATCH.to, 0, BATCH.data + bytes(32), 4, operation=1), PAYMENTS),
        (SafeTx(PAYEE, 0, BATCH.data, 4, operation=1), PAYMENTS),
    ],
)
def test_a_batch_that_pays_otherwise_is_refused(tx: SafeTx, paid: tuple[Payment, ...]) -> None:
    with pytest.raises(Refused, match="batch"):
        agreed_batch(31337, PAYEE, tx, paid, MULTI_SEND)


def test_what_must_not_be_signed_is_refused_by_the_first_encoder() -> None:
    with pytest.raises(TransactionInvalid):
        agreed(Authorization(0, PAYEE, 0))


@pytest.mark.parametrize("name", [field.name for field in fields(CALL)])
def test_what_was_agreed_on_speaks_for_no_other_transaction(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed(CALL)
    value = getattr(CALL, name)
    changed: dict[str, Any] = {name: value + 1 if isinstance(value, int) else OTHER}
    other = replace(CALL, **changed)
    monkeypatch.setattr(second, "_string", lambda _value: b"")
    agreed(CALL)
    with pytest.raises(Refused, match="type_2"):
        agreed(other)

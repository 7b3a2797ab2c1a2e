"""Ten thousand transactions, each with one field out of bounds, are refused before they are
encoded: with that field's name, by `validate`, for the hash and for the raw bytes.
"""

import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from strongroom_protocol import transactions
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.signatures import Signature
from strongroom_protocol.transactions import (
    DATA_MAX,
    FEE_PER_GAS_MAX,
    GAS_MAX,
    NONCE_LIMIT,
    LegacyTransaction,
    TransactionInvalid,
)
from tests.unit.strongroom_signer import drawn

SIGNATURE = Signature(1, 1, 27)
EACH = 500
Spoil = Callable[[Random, Any], dict[str, Any]]


def above(most: int) -> Callable[[Random], int]:
    """One too many, or far more."""
    return lambda draw: most + 1 if draw.randrange(2) else most + 1 + draw.getrandbits(300)


def below(least: int) -> Callable[[Random], int]:
    """One too few, or far fewer."""
    return lambda draw: least - 1 if draw.randrange(2) else least - 1 - draw.getrandbits(80)


def field(name: str, value: Callable[[Random], Any]) -> Spoil:
    """That field takes that value."""
    return lambda draw, _tx: {name: value(draw)}


# What is wrong: the field that the refusal must name, and how a good transaction is spoilt.
BOTH: list[tuple[str, Spoil]] = [
    ("chain_id", field("chain_id", below(1))),
    ("chain_id", field("chain_id", above(2**63 - 1))),
    ("nonce", field("nonce", below(0))),
    ("nonce", field("nonce", above(NONCE_LIMIT - 1))),
    ("gas", field("gas", above(GAS_MAX))),
    ("gas", lambda draw, tx: {"gas": draw.randrange(tx.gas_min())}),
    ("to", field("to", lambda _: ZERO)),
    ("to", field("to", lambda draw: draw.randbytes(draw.choice((0, 1, 19, 21, 32))))),
    ("value", field("value", below(0))),
    ("value", field("value", above(2**256 - 1))),
    ("data", lambda _, _tx: {"data": bytes(DATA_MAX + 1), "gas": GAS_MAX}),
]
LEGACY = [
    ("gas_price", field("gas_price", below(1))),
    ("gas_price", field("gas_price", above(FEE_PER_GAS_MAX))),
]
FEE_MARKET = [
    ("max_fee_per_gas", field("max_fee_per_gas", below(1))),
    ("max_fee_per_gas", field("max_fee_per_gas", above(FEE_PER_GAS_MAX))),
    ("max_priority_fee_per_gas", field("max_priority_fee_per_gas", below(0))),
    (
        "max_priority_fee_per_gas",
        lambda draw, tx: {"max_priority_fee_per_gas": above(tx.max_fee_per_gas)(draw)},
    ),
]
CASES: list[tuple[Callable[[Random], Any], str, Spoil]] = [
    *((drawn.legacy, *case) for case in (*BOTH, *LEGACY)),
    *((drawn.type_2, *case) for case in (*BOTH, *FEE_MARKET)),
]


def test_they_are_ten_thousand() -> None:
    assert len(CASES) * EACH >= 10_000


@pytest.mark.parametrize("number", range(len(CASES)))
def test_out_of_bounds(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def encoded(*_: object) -> bytes:
        raise AssertionError("it was encoded")

    monkeypatch.setattr(transactions, "encode", encoded)
    seed = os.environ.get("STRONGROOM_TEST_SEED") or secrets.token_hex(8)
    sys.stdout.write(f"STRONGROOM_TEST_SEED={seed}\n")
    draw = Random(f"{seed}/{number}")
    make, name, spoil = CASES[number]
    for _ in range(EACH):
        good = make(draw)
        bad = replace(good, **spoil(draw, good))
        for refuse in (bad.validate, bad.signing_hash, lambda: bad.signed_bytes(SIGNATURE)):  # noqa: B023
            with pytest.raises(TransactionInvalid, match=f"^{name}: "):
                refuse()


def test_a_good_one_passes_at_every_bound() -> None:
    payee = Address(b"\1" * 20)
    least = LegacyTransaction(1, 0, 1, 21_000, payee, 0, b"")
    most = LegacyTransaction(
        2**63 - 1, NONCE_LIMIT - 1, FEE_PER_GAS_MAX, GAS_MAX, payee, 2**256 - 1, bytes(DATA_MAX)
    )
    assert least.max_total_fee() == 21_000
    assert most.max_total_fee() == GAS_MAX * FEE_PER_GAS_MAX
    assert len({least.signing_hash(), most.signing_hash()}) == 2

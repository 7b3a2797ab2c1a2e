from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from strongroom.ledger.errors import AccountCodeInvalid
from strongroom.ledger.rules import account_class, body_hash
from strongroom.ledger.types import ChainPoint, Leg, Posting

POSTING = Posting(
    UUID(int=1),
    "key",
    "deposit",
    (Leg("client:a", "client:b", "EUR/2", 5),),
    chain=ChainPoint(1, 2, b"\1" * 32),
    memo={"a": "b"},
)


@pytest.mark.parametrize(
    ("code", "debit_normal", "floored"),
    [
        ("custody:1:0xab", True, True),
        ("fiat:bank:main", True, False),
        ("suspense:unscreened", False, True),
        ("quarantine", False, True),
        ("unattributed", False, True),
        ("client:treasury", False, True),
        ("house:gas", True, False),
        ("house:equity", False, False),
    ],
)
def test_an_accounts_class_follows_from_its_code(code, debit_normal, floored):
    assert account_class(code) == (debit_normal, floored)


@pytest.mark.parametrize("code", ["", "pocket:a", "Client:a", "custodian"])
def test_a_code_of_no_class_is_refused(code):
    with pytest.raises(AccountCodeInvalid):
        account_class(code)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"phase": "hold"},
        {"refers_to": "x"},
        {"expires_at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"chain": None},
        {"chain": ChainPoint(1, 3, b"\1" * 32)},
        {"memo": {}},
        {"legs": (Leg("client:a", "client:b", "EUR/2", 6),)},
        {"legs": (Leg("client:b", "client:a", "EUR/2", 5),)},
        {"legs": POSTING.legs * 2},
    ],
)
def test_every_word_of_a_posting_counts_in_its_hash(change):
    assert body_hash(replace(POSTING, **change)) != body_hash(POSTING)
    assert body_hash(replace(POSTING, key="other")) == body_hash(POSTING)

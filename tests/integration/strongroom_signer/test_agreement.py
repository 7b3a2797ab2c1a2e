"""P1: when the two encoders do not agree no key is used, and what was asked stays asked for."""

from collections.abc import Callable
from typing import Any

import pytest

from strongroom_protocol.transactions import Authorization, SetCodeTransaction, Transaction1559
from strongroom_signer import agreement, second
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import Company
from tests.integration.strongroom_signer.redteam.stage import Uses
from tests.integration.strongroom_signer.test_leaf_sweep import leaf_sweep
from tests.integration.strongroom_signer.test_relay import ask_for, sweep
from tests.integration.strongroom_signer.test_vault_batch import TWO, batch

Body = dict[str, Any]
Ask = Callable[[Desk, Company], tuple[str, Body]]


def provenance(_desk: Desk, company: Company) -> tuple[str, Body]:
    return "provenance", {"organisation": company.reference, "index": 0}


def permit(desk: Desk, company: Company) -> tuple[str, Body]:
    return "vault_permit", company.payment(company.intent(desk.vault(company)), 0)


def batched(desk: Desk, company: Company) -> tuple[str, Body]:
    return "vault_batch", batch(desk, company, *TWO)


def by_leaf(_desk: Desk, company: Company) -> tuple[str, Body]:
    return "leaf_sweep", leaf_sweep(company)


def call(_desk: Desk, company: Company) -> tuple[str, Body]:
    return "relay", ask_for(company, "vault_creation")


def delegation(_desk: Desk, company: Company) -> tuple[str, Body]:
    return "relay", ask_for(company, "sweep", **sweep(company))


# What is asked, the part of the second encoder that is at fault then, and how often a token's key
# may have been used: a delegation is unwrapped and signed before the call that carries it.
ASKED: dict[str, tuple[Ask, str | type, int]] = {
    "the provenance of an address": (provenance, "_place", 0),
    "the hash of a vault's payment": (permit, "payment", 0),
    "the hash of a vault's batch": (batched, "batch", 0),
    "a call of a deposit address": (by_leaf, Transaction1559, 0),
    "a vault's permit": (permit, "permit", 0),
    "a call of the relay": (call, Transaction1559, 0),
    "a delegation": (delegation, Authorization, 0),
    "a call that carries a delegation": (delegation, SetCodeTransaction, 2),
}


def break_part(patch: pytest.MonkeyPatch, part: str | type) -> None:
    """One part of the second encoder gives its bytes backwards."""
    sound = getattr(second, part) if isinstance(part, str) else agreement._TRANSACTIONS[part]

    def faulty(*values: Any, **named: Any) -> bytes:
        return bytes(sound(*values, **named)[::-1])

    if isinstance(part, str):
        patch.setattr(second, part, faulty)
    else:
        patch.setitem(agreement._TRANSACTIONS, part, faulty)


@pytest.mark.parametrize("name", ASKED)
def test_no_key_is_used_when_the_encoders_differ(
    name: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, part, may_be_used = ASKED[name]
    op, body = ask(desk, desk.company())
    uses, size = Uses(), desk.house.journal.size
    answers = desk.house.journal.all("SELECT count(*) FROM answer")
    with uses.watched(), monkeypatch.context() as patch:
        break_part(patch, part)
        answer = desk.ask(op, body)
    assert not answer["ok"]
    assert (answer["code"], answer["retryable"]) == ("signer.encoders_differ", False)
    assert uses.count == may_be_used
    assert desk.house.journal.all("SELECT count(*) FROM answer") == answers
    assert desk.house.journal.size > size, "the refusal left its receipt"
    desk.house.journal.verify_chain()
    assert desk.get(op, body), "a mended program signs what was asked"


def test_a_disagreement_is_found_before_a_nonce_is_taken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    op, body = call(desk, desk.company())
    with monkeypatch.context() as patch:
        break_part(patch, Transaction1559)
        assert desk.refused(op, body) == "signer.encoders_differ"
    assert desk.get(op, body)["nonce"] is not None

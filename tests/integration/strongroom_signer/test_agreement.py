"""P1: when the two encoders do not agree no key is used, and what was asked stays asked for."""

from collections.abc import Callable
from typing import Any

import pytest

from strongroom_signer import second
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import Company
from tests.integration.strongroom_signer.redteam.stage import Uses

Body = dict[str, Any]
Ask = Callable[[Desk, Company], tuple[str, Body]]


def provenance(_desk: Desk, company: Company) -> tuple[str, Body]:
    return "provenance", {"organisation": company.reference, "index": 0}


# What is asked, and the part of the second encoder that is at fault then.
ASKED: dict[str, tuple[Ask, str]] = {
    "the provenance of an address": (provenance, "_place"),
}


@pytest.mark.parametrize("name", ASKED)
def test_no_key_is_used_when_the_encoders_differ(
    name: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, part = ASKED[name]
    op, body = ask(desk, desk.company())
    uses, size = Uses(), desk.house.journal.size
    sound = getattr(second, part)
    with uses.watched(), monkeypatch.context() as patch:
        patch.setattr(second, part, lambda *values: sound(*values)[::-1])
        answer = desk.ask(op, body)
    assert not answer["ok"]
    assert (answer["code"], answer["retryable"]) == ("signer.encoders_differ", False)
    assert uses.count == 0
    assert desk.house.journal.size > size, "the refusal left its receipt"
    desk.house.journal.verify_chain()
    assert desk.get(op, body), "a mended program signs what was asked"

"""A token's audit counts when its attest key signed it, all of it, and nothing was won."""

from typing import Any

import pytest

from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.token_audit import TYPE, statement, verify_audit
from tests.integration.strongroom_signer.people import CHAIN_ID, Key

ATTEST = Key.named("attest")
ROW = {"id": "read-value", "target": "kek", "tries": "read", "passed": True, "answer": "CKR_X"}


def signed(key: Key = ATTEST, chain_id: int = CHAIN_ID, **changes: Any) -> dict[str, Any]:
    report = {"type": TYPE, "at": 1_800_000_000, "passed": True, "attacks": [ROW], **changes}
    return {"report": report, "signature": key.sign(statement(report).digest(chain_id))}


def test_a_signed_report_is_given_back() -> None:
    document = signed()
    assert verify_audit(document, ATTEST.address, CHAIN_ID) == document["report"]


@pytest.mark.parametrize(
    "document",
    [
        signed(Key.named("somebody")),
        signed(chain_id=1),
        signed(passed=False),
        signed(attacks=[]),
        signed(attacks=[ROW, {**ROW, "passed": False}]),
        signed(attacks=["row"]),
        {**signed(), "signature": None},
        {**signed(), "report": {**signed()["report"], "at": 1}},
        {**signed(), "report": {**signed()["report"], "type": "else"}},
        {**signed(), "report": None},
        {"report": signed()["report"]},
        [],
    ],
)
def test_anything_else_is_refused(document: object) -> None:
    with pytest.raises(ProtocolError):
        verify_audit(document, ATTEST.address, CHAIN_ID)

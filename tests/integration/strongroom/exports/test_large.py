"""Many records over many pages: nothing is skipped between pages, and the job is not idle."""

import pytest

from strongroom.auditlog import service as auditlog
from strongroom.exports import parts, repository
from strongroom.ledger.types import Leg, Posting
from tests.integration.strongroom.exports.conftest import AUDITOR, CLIENT, ONE, House


def test_pages_join_without_a_gap(lived: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "PAGE", 7)
    monkeypatch.setattr(parts, "ALIVE_LINES", 5)
    beats: list[int] = []
    monkeypatch.setattr(repository, "keep_alive", lambda _: beats.append(1))
    for number in range(40):
        with lived.worker.unit(ONE, AUDITOR) as uow:
            auditlog.append(uow, "test.noted", str(number), {"number": number})
        postings = [
            Posting(ONE, f"{number}:{one}", "x", (Leg(CLIENT, "client:b", "TUSD/6", 1),))
            for one in range(number % 4)
        ]
        if postings:
            lived.book("ledger.transfer", postings)
    report = lived.verify(lived.finish(lived.request()))
    assert report.accepted, report.outcomes
    assert report.facts["rows"] == 4 + 60
    assert len(beats) >= (60 + 40) // 5

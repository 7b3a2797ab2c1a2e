"""`strongroom custody record`: a ceremony's transcript stands in the audit log, or is refused."""

from pathlib import Path
from typing import Any

import pytest

from strongroom.auditlog import verification
from strongroom.auditlog.sequencer import Sequencer
from strongroom.cli import custody
from strongroom_protocol.addresses import checksum
from strongroom_protocol.transcript import (
    CeremonyTranscript,
    head_of,
    line_bytes,
    read_transcript,
)
from tests.factories.books import ACTOR, connect
from tests.integration.strongroom_signer.people import CHAIN_ID, OFFICERS

__all__ = ["connect"]
FOUNDING = {
    "chain_id": CHAIN_ID,
    "officers": [checksum(officer.address) for officer in OFFICERS],
    "officer_quorum": 2,
}


def _transcript(signers: int, said: int = 2) -> bytes:
    """init, new, sign-off by so many officers over `said` lines."""
    text = b""
    for act, facts in (("init", FOUNDING), ("new", {"dice": True})):
        text += line_bytes(read_transcript(text), 1_800_000_000, act, facts) + b"\n"
    acts = read_transcript(text)
    statement = CeremonyTranscript(head_of(acts), said)
    signatures = [officer.sign(statement.digest(CHAIN_ID)) for officer in OFFICERS[:signers]]
    facts = {"head": "0x" + statement.head.hex(), "lines": said, "signatures": signatures}
    return text + line_bytes(acts, 1_800_000_001, "sign-off", facts) + b"\n"


def test_a_signed_transcript_is_recorded(
    connect: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", connect.found.url("strongroom_worker"))
    path = tmp_path / "transcript.jsonl"
    path.write_bytes(_transcript(2))
    assert custody.run(["record", str(path)]) == 0
    assert "3 acts recorded" in capsys.readouterr().out
    while Sequencer(connect("strongroom_relay", pool_size=2)).step():
        pass
    with connect("strongroom_worker").read(None, ACTOR) as uow:
        assert verification.broken(uow) == []
        found = uow.execute("SELECT convert_from(record, 'UTF8')::jsonb FROM log_record").fetchone()
    assert found is not None
    (record,) = found
    head = "0x" + head_of(read_transcript(path.read_bytes())).hex()
    assert (record["action"], record["subject"]) == ("custody.ceremony", head)
    assert record["body"] == {"head": head, "lines": 3, "signed_lines": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_transcript(1), "1 of the needed 2"),
        (_transcript(2, said=1), "signs something else"),
        (_transcript(2).replace(b'"dice":true', b'"dice":false'), "line 3"),
        (_transcript(2).replace(b'"officer_quorum":2', b'"officer_quorum":1'), "line 2"),
        (_transcript(2).replace(b'"signatures"', b'"signaturez"'), "no sign-off"),
    ],
)
def test_a_transcript_that_does_not_fit_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes, words: str
) -> None:
    path = tmp_path / "transcript.jsonl"
    path.write_bytes(text)
    assert custody.run(["record", str(path)]) == 1
    assert words in capsys.readouterr().out
    assert custody.run(["record", str(tmp_path / "missing")]) == 1
    assert custody.run([]) == 2

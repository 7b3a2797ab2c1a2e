"""The command: what people read, what programs read, and how it ends."""

import json
from pathlib import Path

import pytest

from strongroom_verify.main import main
from tests.factories.bundles import EXPORT, ORGANISATION, Draft, write


@pytest.fixture
def bundle(files: dict[str, bytes], tmp_path: Path) -> Path:
    return write(files, tmp_path / "day.zip")


def test_an_accepted_bundle_is_told_in_plain_lines(
    bundle: Path, draft: Draft, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundle), "--log-key", "0x" + draft.log_key.hex()]) == 0
    told = capsys.readouterr().out
    assert told.endswith("ACCEPTED\n")
    assert "\033" not in told, "colours are for terminals"
    for word in (ORGANISATION, EXPORT, "INTEGRITY     PASS", "CHAIN         PASS"):
        assert word in told
    assert max(len(line) for line in told.splitlines()) <= 100


def test_a_changed_bundle_ends_with_one_and_names_the_row(
    bundle: Path, draft: Draft, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = bytearray(bundle.read_bytes())
    raw[raw.index(b'"units":"250000000"') + 9] ^= 1
    bundle.write_bytes(raw)
    assert main([str(bundle), "--log-key", draft.log_key.hex()]) == 1
    assert "REFUSED: rows.jsonl line 2 (record 1, row 1)" in capsys.readouterr().out
    assert main([str(bundle), "--log-key", draft.log_key.hex(), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["accepted"]
    assert told["checks"]["INTEGRITY"]["where"] == "rows.jsonl line 2 (record 1, row 1)"


def test_without_a_key_it_ends_with_one_and_says_what_is_needed(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundle)]) == 1
    assert "NOT PROVEN: give the log's public key" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["12", "zz" * 32, "00" * 33, ""])
def test_a_key_that_is_none_is_wrong_usage(
    bundle: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundle), "--log-key", key]) == 2
    assert "32 bytes" in capsys.readouterr().err


def test_a_missing_file_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.zip")]) == 2
    assert "cannot read" in capsys.readouterr().err

"""P8: an export proves itself, and one changed byte, row or signature is found and named."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom_verify.verify import verify
from tests.factories.bundles import (
    ORDER,
    Block,
    Draft,
    canonical,
    first_day,
    jsonl,
    note,
    rows_of,
    seal,
    write,
)
from tests.unit.strongroom_verify.conftest import Judge, failures

Files = dict[str, bytes]


def lines_of(files: Files, name: str) -> list[Any]:
    return [json.loads(line) for line in files[name].splitlines()]


def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every string, number, boolean and null in a JSON value."""
    if isinstance(value, dict):
        return [found for key in value for found in leaves_of(value[key], (*path, key))]
    if isinstance(value, list) and value:
        return [found for at, item in enumerate(value) for found in leaves_of(item, (*path, at))]
    return [path]


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, str):
        if not value:
            return "0"
        last = "0" if value[-1] != "0" else "1"
        return value[:-1] + last
    if value is None:
        return "0x00"
    return value + 1 if isinstance(value, int) else ["0x" + "00" * 32]


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


def test_an_honest_export_is_accepted(files: Files, judge: Judge) -> None:
    report = judge(files)
    assert report.accepted
    assert [outcome.state for outcome in report.outcomes] == ["PASS"] * 4
    assert report.facts["rows_on_chain"] == {"transaction": 1, "log": 2, "receipt": 1}


def test_without_the_logs_key_nothing_is_accepted(files: Files, judge: Judge) -> None:
    report = judge(files, key=None)
    assert not report.accepted
    assert report.outcomes[0].state == "NOT CHECKED"


def test_another_logs_key_is_refused(files: Files, judge: Judge) -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert failures(judge(files, key=other)) == {"INTEGRITY": "checkpoint.txt"}


def test_a_log_signed_again_with_another_key_is_refused(draft: Draft, judge: Judge) -> None:
    forged = first_day()
    forged.key = Ed25519PrivateKey.generate()
    assert failures(judge(seal(forged), key=draft.log_key)) == {"INTEGRITY": "checkpoint.txt"}


@pytest.mark.parametrize("name", ["records.jsonl", "rows.jsonl", "blocks.jsonl", "receipts.jsonl"])
def test_every_changed_field_is_refused_and_its_line_named(
    files: Files, judge: Judge, name: str
) -> None:
    tried = 0
    for number, line in enumerate(lines_of(files, name)):
        for path in leaves_of(line):
            lines = lines_of(files, name)
            target: Any = lines[number]
            for step in path:
                target = target[step]
            put(lines[number], path, changed(target))
            report = judge(files | {name: jsonl(lines)})
            found = " ".join(failures(report).values())
            assert not report.accepted, (number, path)
            # A changed block or receipt may first be missed by the row that needs it, and a wrong
            # count shows where two rows of a record disagree.
            elsewhere = name in {"blocks.jsonl", "receipts.jsonl"} or path == ("count",)
            assert f"{name} line {number + 1}" in found or (elsewhere and " line " in found)
            tried += 1
    assert tried >= 8


def test_every_changed_field_of_the_manifest_is_refused(files: Files, judge: Judge) -> None:
    manifest = json.loads(files["manifest.json"])
    for path in leaves_of(manifest):
        other = json.loads(files["manifest.json"])
        target: Any = other
        for step in path:
            target = target[step]
        put(other, path, changed(target))
        assert failures(judge(files | {"manifest.json": canonical(other)})), path


def test_every_changed_byte_of_the_checkpoint_is_refused(files: Files, judge: Judge) -> None:
    raw = files["checkpoint.txt"]
    for at in range(len(raw)):
        other = bytearray(raw)
        other[at] ^= 1
        report = judge(files | {"checkpoint.txt": bytes(other)})
        assert failures(report)["INTEGRITY"] == "checkpoint.txt", at


@pytest.mark.parametrize("number", range(7))
def test_a_dropped_row_is_named(files: Files, judge: Judge, number: int) -> None:
    lines = lines_of(files, "rows.jsonl")
    gone = lines.pop(number)
    report = judge(files | {"rows.jsonl": jsonl(lines)})
    sentence = report.outcomes[1].sentence
    assert set(failures(report)) == {"INTEGRITY", "COMPLETENESS"}
    assert f"row {gone['position']} of record {gone['record']}" in sentence


def test_a_dropped_row_is_found_even_when_the_manifest_agrees(draft: Draft, judge: Judge) -> None:
    lines = rows_of(draft)[:-1]
    report = judge(seal(draft, rows=jsonl(lines)))
    assert failures(report)["COMPLETENESS"] == "rows.jsonl"


def test_two_swapped_rows_are_named(draft: Draft, judge: Judge) -> None:
    lines = rows_of(draft)
    lines[2], lines[3] = lines[3], lines[2]
    report = judge(seal(draft, rows=jsonl(lines)))
    assert failures(report) == {"COMPLETENESS": "rows.jsonl line 3 (record 2, row 1)"}


def test_a_doubled_row_is_named(draft: Draft, judge: Judge) -> None:
    lines = rows_of(draft)
    report = judge(seal(draft, rows=jsonl([*lines, lines[-1]])))
    assert failures(report)["COMPLETENESS"] == "rows.jsonl line 8 (record 3, row 1)"


def test_a_dropped_record_is_named(files: Files, judge: Judge) -> None:
    lines = lines_of(files, "records.jsonl")
    del lines[1]
    report = judge(files | {"records.jsonl": jsonl(lines)})
    assert failures(report)["COMPLETENESS"] == "records.jsonl line 2"


@pytest.mark.parametrize("kept", range(7))
def test_a_cut_tail_is_found(files: Files, judge: Judge, kept: int) -> None:
    lines = lines_of(files, "records.jsonl")[:kept]
    report = judge(files | {"records.jsonl": jsonl(lines)})
    assert failures(report)["COMPLETENESS"] == f"records.jsonl line {max(kept, 1)}"


def test_swapped_records_are_named(files: Files, judge: Judge) -> None:
    lines = lines_of(files, "records.jsonl")
    lines[1], lines[2] = lines[2], lines[1]
    report = judge(files | {"records.jsonl": jsonl(lines)})
    assert failures(report)["COMPLETENESS"] == "records.jsonl line 2"


def test_a_cut_that_is_not_the_request_is_refused(draft: Draft, judge: Judge) -> None:
    other = first_day()
    other.key, other.cut = draft.key, 3
    assert failures(judge(seal(other)))["COMPLETENESS"] == "records.jsonl line 4"


def test_a_cut_beyond_the_export_itself_is_refused(draft: Draft, judge: Judge) -> None:
    other = first_day()
    other.key, other.cut = draft.key, 99
    assert failures(judge(seal(other)))["COMPLETENESS"] == "records.jsonl line 7"


TIMES = {
    "a place given before the one that precedes it": (
        2,
        ("2026-11-22T08:00:00.000000Z", "2026-11-22T09:00:00.900000Z"),
    ),
    "a record made after the log took it in": (
        2,
        ("2026-11-22T09:00:08.000000Z", "2026-11-22T09:00:02.900000Z"),
    ),
}


@pytest.mark.parametrize("wrong", TIMES)
def test_times_that_contradict_each_other_are_refused(
    draft: Draft, judge: Judge, wrong: str
) -> None:
    number, times = TIMES[wrong]
    other = first_day()
    other.key, other.times = draft.key, {number: times}
    assert failures(judge(seal(other))) == {"TIME": "records.jsonl line 3"}


def test_clocks_of_two_machines_may_differ_a_little(draft: Draft, judge: Judge) -> None:
    other = first_day()
    other.key = draft.key
    other.times = {2: ("2026-11-22T09:00:06.000000Z", "2026-11-22T09:00:02.100000Z")}
    assert judge(seal(other)).accepted


def test_an_organisations_count_that_does_not_follow_the_log_is_refused(
    draft: Draft, judge: Judge
) -> None:
    other = first_day()
    other.key, other.places = draft.key, {1: 2, 2: 1}
    assert failures(judge(seal(other)))["INTEGRITY"] == "records.jsonl line 3"


def test_a_file_that_the_manifest_does_not_name_is_refused(files: Files, judge: Judge) -> None:
    """A whole and proper block that no row needs: nothing else would notice it."""
    more = files["blocks.jsonl"] + canonical(Block(8, [], []).line()) + b"\n"
    assert failures(judge(files | {"blocks.jsonl": more})) == {"INTEGRITY": "blocks.jsonl"}


def test_a_manifest_that_the_exports_record_does_not_name_is_refused(
    files: Files, judge: Judge
) -> None:
    manifest = json.loads(files["manifest.json"]) | {"software": "another"}
    report = judge(files | {"manifest.json": canonical(manifest)})
    assert failures(report) == {"INTEGRITY": "manifest.json"}


def test_sums_that_are_not_those_of_the_rows_are_refused(draft: Draft, judge: Judge) -> None:
    other = first_day()
    other.key, other.sums = draft.key, {"TUSD/6": 1}
    assert failures(judge(seal(other))) == {"INTEGRITY": "manifest.json"}


def test_a_tree_of_size_zero_is_refused(files: Files, draft: Draft, judge: Judge) -> None:
    empty = note(draft.key, 0, bytes(32))
    report = judge(files | {"checkpoint.txt": empty})
    assert "size zero" in report.outcomes[0].sentence


def test_a_checkpoint_of_another_log_is_refused(files: Files, draft: Draft, judge: Judge) -> None:
    root = bytes(32)
    report = judge(files | {"checkpoint.txt": note(draft.key, 14, root, "other.test/log")})
    assert failures(report)["INTEGRITY"] == "checkpoint.txt"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.data())
def test_any_flipped_byte_of_the_file_is_refused(
    chosen: st.DataObject, files: Files, draft: Draft, tmp_path: Path
) -> None:
    """Anywhere: in the contents, in the archive's headers, in its directory."""
    path = write(files, tmp_path / "flipped.zip")
    raw = bytearray(path.read_bytes())
    at = chosen.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= chosen.draw(st.integers(1, 255))
    path.write_bytes(raw)
    report = verify(path, draft.log_key)
    assert not report.accepted
    assert failures(report)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.data())
def test_a_truncated_file_is_refused(
    chosen: st.DataObject, files: Files, draft: Draft, tmp_path: Path
) -> None:
    path = write(files, tmp_path / "cut.zip")
    raw = path.read_bytes()
    path.write_bytes(raw[: chosen.draw(st.integers(0, len(raw) - 1))])
    assert failures(verify(path, draft.log_key)) == {"INTEGRITY": "the archive"}


def test_every_byte_outside_the_contents_is_fixed(
    files: Files, draft: Draft, tmp_path: Path
) -> None:
    """The archive's headers have one form: a change in a date or an attribute is seen too."""
    path = write(files, tmp_path / "headers.zip")
    raw = path.read_bytes()
    directory = raw.index(b"PK\x01\x02")
    for at in [*range(30 + len(ORDER[0])), *range(directory, len(raw))]:
        other = bytearray(raw)
        other[at] ^= 0x10
        path.write_bytes(other)
        assert failures(verify(path, draft.log_key)), at

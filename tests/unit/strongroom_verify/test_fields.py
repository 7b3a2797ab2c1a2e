"""A field of another kind, or in another spelling, is refused by its name."""

import json
from typing import Any

import pytest

from strongroom_verify.errors import Malformed
from strongroom_verify.fields import Fields
from strongroom_verify.manifest import read_manifest
from strongroom_verify.postings import read_posting
from strongroom_verify.records import read_record
from strongroom_verify.rows import read_row
from tests.factories.bundles import STRANGER, canonical, hexed, sha256

WRONG: dict[str, list[Any]] = {
    "text": [1, None, [], True],
    "integer": ["1", -1, True, None],
    "hex": ["00", "0xAB", "0x0", "0x0000", 5, None],
    "hexes": ["0x00", None, [1], ["0xAB"]],
    "units": ["01", "-1", "1.0", "", 1, str(2**256), "1" * 79],
    "time": [
        "2026-11-22T09:00:00",
        "2026-11-22T09:00:00+00:00",
        "2026-11-22 09:00:00Z",
        "2026-13-22T09:00:00Z",
        "2026-11-22T09:00:61Z",
        "2026-11-22T09:00:00.1234567Z",
        7,
    ],
}
RIGHT: dict[str, Any] = {
    "text": "",
    "integer": 0,
    "hex": "0xab",
    "hexes": ["0xab"],
    "units": str(2**256 - 1),
    "time": "2026-11-22T09:00:00.123456Z",
}


def read(kind: str, value: Any) -> Any:
    fields = Fields({"a": value}, "a", "row")
    return getattr(fields, kind)("a", 1) if kind in {"hex", "hexes"} else getattr(fields, kind)("a")


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_kind_or_spelling_is_refused_by_name(kind: str) -> None:
    read(kind, RIGHT[kind])
    for value in WRONG[kind]:
        with pytest.raises(Malformed, match=r"row\.a"):
            read(kind, value)


@pytest.mark.parametrize("value", [{}, {"a": 1}, {"a": 1, "b": 2, "c": 3}, [], "a", None])
def test_an_object_has_exactly_its_members(value: Any) -> None:
    with pytest.raises(Malformed):
        Fields(value, "a b")


def set_at(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("type",), "strongroom.export/2"),
        (("export",), "not-a-uuid"),
        (("organisation",), "0198C000-0000-7000-8000-000000000001"),
        (("created_at",), "yesterday"),
        (("cut",), -1),
        (("log",), {"origin": "x", "key": "y"}),
        (("files", "rows.jsonl", "sha256"), "0x00"),
        (("files",), {}),
        (("sums",), []),
        (("sums",), {"EUR/2": "01"}),
        (("sums",), {"EUR/2": 1}),
        (("tokens",), []),
        (("tokens",), {"TUSD/6": "0x70"}),
        (("lists",), {}),
        (("lists", 0, "version"), "1"),
        (("lists", 0, "sha256"), "0x"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(
    files: dict[str, bytes], path: tuple[Any, ...], new: Any
) -> None:
    manifest = json.loads(files["manifest.json"])
    read_manifest(canonical(manifest))
    set_at(manifest, path, new)
    with pytest.raises(Malformed):
        read_manifest(canonical(manifest))


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("memo",), []),
        (("memo",), {"reference": 5}),
        (("memo", "position"), "one"),
        (("memo", "token"), "0x70"),
        (("memo", "from"), ""),
        (("memo",), {"tx": "0x" + "00" * 32}),
        (("legs",), {}),
        (("legs", 0), []),
        (("legs", 0, "units"), "-5"),
        (("refers_to",), 5),
        (("phase",), "perhaps"),
        (("chain", "height"), "7"),
    ],
)
def test_a_posting_of_another_shape_is_refused(
    files: dict[str, bytes], path: tuple[Any, ...], new: Any
) -> None:
    row = json.loads(files["rows.jsonl"].splitlines()[1])["row"]
    read_posting(row)
    set_at(row, path, new)
    with pytest.raises(Malformed):
        read_posting(row)


def test_a_row_without_a_type_is_refused(files: dict[str, bytes]) -> None:
    line = json.loads(files["rows.jsonl"].splitlines()[0])
    wrong: list[Any] = [[], "posting", {"key": "k"}, {"type": 1}]
    for row in wrong:
        with pytest.raises(Malformed, match="type"):
            read_row(canonical(line | {"row": row}))


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("record", "type", "strongroom.record/2"),
        ("record", "organisation", STRANGER),
        ("leaf", "organisation", STRANGER),
        ("record", "actor", {"kind": "system"}),
        ("record", "rows_root", "0x00"),
    ],
)
def test_a_record_of_another_shape_is_refused_though_its_hash_fits(
    files: dict[str, bytes], part: str, name: str, value: Any
) -> None:
    manifest = read_manifest(files["manifest.json"])
    line = json.loads(files["records.jsonl"].splitlines()[1])
    read_record(canonical(line), manifest)
    line[part][name] = value
    line["leaf"]["record_hash"] = hexed(sha256(canonical(line["record"])))
    with pytest.raises(Malformed):
        read_record(canonical(line), manifest)

"""The bundle's manifest: whose export it is, where it was cut, and the hashes of its row files."""

import re
from dataclasses import dataclass
from typing import Any

from strongroom_verify.canonical import parse
from strongroom_verify.errors import Malformed
from strongroom_verify.fields import Fields, unhex

TYPE = "strongroom.export/1"
ROW_FILES = ("rows.jsonl", "blocks.jsonl", "receipts.jsonl")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEYS = "type export organisation created_at software cut log files sums tokens lists"


@dataclass(frozen=True)
class FileFacts:
    """SHA-256 and number of lines of one row file."""

    sha256: bytes
    lines: int


@dataclass(frozen=True)
class Manifest:
    """What the manifest states; all of it is bound to the log by the export's last record."""

    export: str
    organisation: str
    created_at: str
    cut: int
    "Organisation index of the record that asked for the export: rows go up to it."
    origin: str
    files: dict[str, FileFacts]
    sums: dict[str, int]
    "Units of all rows, for each asset."
    tokens: dict[str, bytes]
    "The contract of each asset that has on-chain token rows."


def read_manifest(raw: bytes) -> Manifest:
    """Parse manifest.json. Raises Malformed."""
    top = Fields(parse(raw), _KEYS)
    if top.text("type") != TYPE:
        raise Malformed(f"the type is {top.text('type')!r}; this verifier reads {TYPE!r}")
    for key in ("export", "organisation"):
        if not _UUID.fullmatch(top.text(key)):
            raise Malformed(f"{key} is not a UUID")
    top.time("created_at")
    _lists(top.any("lists"))
    files = Fields(top.any("files"), " ".join(ROW_FILES), "files")
    return Manifest(
        top.text("export"),
        top.text("organisation"),
        top.text("created_at"),
        top.integer("cut"),
        Fields(top.any("log"), "origin", "log").text("origin"),
        {name: _file(files.any(name), name) for name in ROW_FILES},
        _sums(top.any("sums")),
        _tokens(top.any("tokens")),
    )


def _file(value: Any, name: str) -> FileFacts:
    fields = Fields(value, "sha256 lines", f"files.{name}")
    return FileFacts(fields.hex("sha256", 32), fields.integer("lines"))


def _sums(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise Malformed("sums is not an object")
    found = {}
    for asset, units in value.items():
        # A sum of many amounts below 2^256 may itself be larger, so only its spelling is limited.
        if not isinstance(units, str) or not re.fullmatch(r"0|[1-9][0-9]{0,99}", units):
            raise Malformed(f"sums.{asset} is not a decimal number")
        found[asset] = int(units)
    return found


def _tokens(value: Any) -> dict[str, bytes]:
    if not isinstance(value, dict):
        raise Malformed("tokens is not an object")
    return {asset: unhex(contract, f"tokens.{asset}", 20) for asset, contract in value.items()}


def _lists(value: Any) -> None:
    if not isinstance(value, list):
        raise Malformed("lists is not a list")
    for at, item in enumerate(value):
        fields = Fields(item, "name version sha256", f"lists[{at}]")
        fields.integer("version")
        fields.hex("sha256", 32)

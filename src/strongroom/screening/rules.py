"""Reading lists and moving alerts: pure, no database and no clock.

A sanctioned address in the wrong letter case is still sanctioned: case and EIP-55 checksums are
not looked at here, because refusing the line would let the address through.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.screening.errors import ListInvalid
from strongroom.screening.types import AlertState, RefusedLine

CONTENT_BYTES_MAX: Final = 64 * 2**20
REFUSED_KEPT_MAX: Final = 1_000
LABEL_CHARACTERS_MAX: Final = 200
ZERO_ADDRESS: Final = bytes(20)

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_SDN_ADDRESS = re.compile(r"(?<![0-9a-zA-Z])0[xX][0-9a-zA-Z]+")
_SDN_COLUMNS: Final = 12
_SDN_EMPTY: Final = "-0-"

TRANSITIONS: Final[Mapping[AlertState, frozenset[AlertState]]] = {
    "OPEN": frozenset({"SNOOZED", "MERGED", "ESCALATED", "CLOSED"}),
    "SNOOZED": frozenset({"OPEN", "MERGED", "ESCALATED", "CLOSED"}),
    "ESCALATED": frozenset({"CLOSED"}),
    "MERGED": frozenset(),
    "CLOSED": frozenset(),
}
"""An escalated alert is a case's; merged and closed are the end."""


@dataclass(frozen=True, slots=True)
class ParsedList:
    """Address → label, and the lines that were refused."""

    entries: dict[bytes, str]
    refused: tuple[RefusedLine, ...]


def parse_plain(content: bytes) -> ParsedList:
    """One address a line, optionally a comma and a label; # begins a comment. Raises ListInvalid.

    A line that is no address is refused and reported; the rest of the list still counts.
    """
    entries: dict[bytes, str] = {}
    refused: list[RefusedLine] = []
    for number, line in enumerate(_text(content).splitlines(), start=1):
        kept = line.split("#", 1)[0].strip()
        if not kept:
            continue
        word, _, label = kept.partition(",")
        _add(entries, refused, number, word.strip(), label.strip())
    return ParsedList(entries, tuple(refused))


def parse_ofac_sdn(content: bytes, overflow: bytes = b"") -> ParsedList:
    """OFAC's legacy SDN.CSV: addresses stand in the remarks (column 12), among other words.

    Whatever looks like 0x… there is taken, whichever currency it is named for. `overflow` is
    SDN_COMMENTS.CSV: it continues remarks that were too long, in the middle of a word if need be;
    what it says of entities that `content` lacks counts too. The label is the entity's name.
    Raises ListInvalid, also for a file that was cut off.
    """
    more: dict[str, str] = defaultdict(str)
    for _, row in _rows(overflow):
        if len(row) >= 2:
            more[row[0].strip()] += row[1]
    entries: dict[bytes, str] = {}
    refused: list[RefusedLine] = []
    for number, row in _rows(content):
        if len(row) != _SDN_COLUMNS:
            why = f"an SDN row has {_SDN_COLUMNS} columns, this has {len(row)}"
            refused.append(RefusedLine(number, ",".join(row)[:80], why))
            continue
        remarks = "" if row[11].strip() == _SDN_EMPTY else row[11].rstrip(" ")
        for found in _SDN_ADDRESS.findall(remarks + more.pop(row[0].strip(), "")):
            _add(entries, refused, number, found, row[1].strip())
    for entity, remarks in more.items():
        for found in _SDN_ADDRESS.findall(remarks):
            _add(entries, refused, 0, found, f"SDN entity {entity}")
    return ParsedList(entries, tuple(refused))


def _add(
    entries: dict[bytes, str], refused: list[RefusedLine], number: int, word: str, label: str
) -> None:
    if not _ADDRESS.fullmatch(word):
        why = "not an address: 0x and 40 hexadecimal digits"
        refused.append(RefusedLine(number, word[:80], why))
        return
    address = bytes.fromhex(word[2:])
    if address == ZERO_ADDRESS:
        refused.append(RefusedLine(number, word, "the zero address is nobody's"))
        return
    entries.setdefault(address, label[:LABEL_CHARACTERS_MAX])


def _rows(content: bytes) -> list[tuple[int, list[str]]]:
    """The rows of a CSV with their line numbers; the old files end with a Ctrl-Z."""
    # Strict: a row that ends inside its quotes means that the file was cut off.
    reader = csv.reader(io.StringIO(_text(content).rstrip("\x1a\r\n")), strict=True)
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise ListInvalid(
            f"The list is not whole CSV: {error} near line {reader.line_num}. Get the file again."
        ) from error


def _text(content: bytes) -> str:
    if len(content) > CONTENT_BYTES_MAX:
        raise ListInvalid(
            f"The list has {len(content)} bytes; at most {CONTENT_BYTES_MAX} are read. Split it."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # OFAC's files are Latin-1 in names; every byte has a meaning there.
        return content.decode("latin-1")

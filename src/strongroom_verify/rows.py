"""The rows of a bundle: each bound to its record's rows_root, none of them missing."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from strongroom_verify.canonical import parse, serialise
from strongroom_verify.chain import ChainCheck
from strongroom_verify.errors import Malformed
from strongroom_verify.fields import Fields
from strongroom_verify.findings import Findings
from strongroom_verify.manifest import Manifest
from strongroom_verify.merkle import leaf_hash, root_from_inclusion
from strongroom_verify.postings import TYPE as POSTING_TYPE
from strongroom_verify.postings import read_posting
from strongroom_verify.records import RecordFacts


@dataclass(frozen=True)
class Row:
    """One row: the organisation's record that it belongs to, and its place under that record."""

    record: int
    position: int
    proof: list[bytes]
    value: Any


def read_row(line: bytes) -> Row:
    """One line of rows.jsonl. Raises Malformed."""
    fields = Fields(parse(line), "record position proof row")
    row = fields.any("row")
    if not isinstance(row, dict) or not isinstance(row.get("type"), str):
        raise Malformed("row is not an object with a type")
    return Row(fields.integer("record"), fields.integer("position"), fields.hexes("proof", 32), row)


def check_rows(
    lines: Iterable[bytes],
    facts: RecordFacts,
    manifest: Manifest,
    chain: ChainCheck,
    findings: Findings,
) -> int:
    """INTEGRITY, COMPLETENESS and CHAIN of all rows, and the sums. Returns how many there are."""
    awaited = _places(facts)
    sums: Counter[str] = Counter()
    number = 0
    with findings.guard("INTEGRITY", "rows.jsonl"):
        for number, line in enumerate(lines, start=1):
            where = f"rows.jsonl line {number}"
            with findings.guard("INTEGRITY", where):
                row = read_row(line)
                where += f" (record {row.record}, row {row.position})"
                with findings.guard("INTEGRITY", where):
                    _check_bound(row, facts)
                    _check_content(row, manifest, chain, sums, findings, where)
                with findings.guard("COMPLETENESS", where):
                    _check_awaited(row, awaited)
            if findings.failed("INTEGRITY"):
                return number
    with findings.guard("COMPLETENESS", "rows.jsonl"):
        _check_nothing_left(awaited)
    with findings.guard("INTEGRITY", "manifest.json"):
        if dict(sums) != manifest.sums:
            raise Malformed("the sums stated are not the sums of the rows")
    return number


def _check_bound(row: Row, facts: RecordFacts) -> None:
    if row.record not in facts.rows:
        raise Malformed("no record up to the cut commits to this row")
    root, count = facts.rows[row.record]
    leaf = leaf_hash(serialise(row.value))
    if root_from_inclusion(row.position, count, leaf, row.proof) != root:
        raise Malformed("the row is not the one that its record commits to")


def _check_content(
    row: Row,
    manifest: Manifest,
    chain: ChainCheck,
    sums: Counter[str],
    findings: Findings,
    where: str,
) -> None:
    if row.value["type"] != POSTING_TYPE:
        return
    posting = read_posting(row.value, manifest.organisation)
    sums[posting.asset] += posting.units
    with findings.guard("CHAIN", where):
        chain.check(posting)


def _places(facts: RecordFacts) -> Iterator[tuple[int, int]]:
    """Every (record, position) that must stand in rows.jsonl, in this order."""
    for record in sorted(facts.rows):
        for position in range(facts.rows[record][1]):
            yield record, position


def _check_awaited(row: Row, awaited: Iterator[tuple[int, int]]) -> None:
    place = next(awaited, None)
    if place is None:
        raise Malformed("the row stands after the last one that the records commit to")
    if place != (row.record, row.position):
        raise Malformed(
            f"row {place[1]} of record {place[0]} should stand here: it is missing or out of order"
        )


def _check_nothing_left(awaited: Iterator[tuple[int, int]]) -> None:
    place = next(awaited, None)
    if place is not None:
        raise Malformed(f"row {place[1]} of record {place[0]} is missing, and all rows after it")

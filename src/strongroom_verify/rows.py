"""The rows of a bundle: each bound to its record's rows_root, none of them missing."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from strongroom_verify.canonical import parse, serialise
from strongroom_verify.chain import ChainCheck
from strongroom_verify.errors import Malformed
from strongroom_verify.fields import Fields
from strongroom_verify.findings import Findings
from strongroom_verify.manifest import Manifest
from strongroom_verify.merkle import leaf_hash, root, root_from_inclusion
from strongroom_verify.postings import TYPE as POSTING_TYPE
from strongroom_verify.postings import read_posting
from strongroom_verify.records import RecordFacts


@dataclass(frozen=True)
class Row:
    """One row: the organisation's record that it belongs to, and its place under that record."""

    record: int
    position: int
    count: int
    proof: list[bytes]
    leaf: bytes
    value: Any


def read_row(line: bytes) -> Row:
    """One line of rows.jsonl. Raises Malformed."""
    fields = Fields(parse(line), "record position count proof row")
    row = fields.any("row")
    if not isinstance(row, dict) or not isinstance(row.get("type"), str):
        raise Malformed("row is not an object with a type")
    return Row(
        fields.integer("record"),
        fields.integer("position"),
        fields.integer("count"),
        fields.hexes("proof", 32),
        leaf_hash(serialise(row)),
        row,
    )


class Sequence:
    """What must come next: every row of every record that has rows, in order, none left out.

    How many rows a record has is only said by the bundle; that all are there is known when the
    root over all of them is the record's.
    """

    def __init__(self, roots: dict[int, bytes]) -> None:
        self._roots = roots
        self._records = iter(sorted(roots))
        self._record = next(self._records, None)
        self._leaves: list[bytes] = []
        self._count = 0

    def take(self, row: Row) -> None:
        """The next row. Raises Malformed when it is not the one awaited."""
        if self._record is None:
            raise Malformed("the row stands after the last one that the records commit to")
        if (row.record, row.position) != (self._record, len(self._leaves)):
            raise Malformed(f"{self._awaited()} should stand here: it is missing or out of order")
        if self._leaves and row.count != self._count:
            raise Malformed(f"the rows of record {row.record} disagree on how many they are")
        self._count = row.count
        self._leaves.append(row.leaf)
        if len(self._leaves) == row.count:
            if root(self._leaves) != self._roots[row.record]:
                raise Malformed(f"rows of record {row.record} are missing or too many")
            self._record, self._leaves = next(self._records, None), []

    def end(self) -> None:
        """Raises Malformed when rows are still awaited."""
        if self._record is not None:
            raise Malformed(f"{self._awaited()} is missing, and all rows after it")

    def _awaited(self) -> str:
        return f"row {len(self._leaves)} of record {self._record}"


def check_rows(
    lines: Iterable[bytes],
    facts: RecordFacts,
    manifest: Manifest,
    chain: ChainCheck,
    findings: Findings,
) -> int:
    """INTEGRITY, COMPLETENESS and CHAIN of all rows, and the sums. Returns how many there are."""
    awaited = Sequence(facts.rows)
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
                    _check_content(row, chain, sums, findings, where)
                if not (findings.failed("INTEGRITY") or findings.failed("COMPLETENESS")):
                    with findings.guard("COMPLETENESS", where):
                        awaited.take(row)
            if findings.failed("INTEGRITY"):
                return number
    with findings.guard("COMPLETENESS", "rows.jsonl"):
        awaited.end()
    with findings.guard("INTEGRITY", "manifest.json"):
        if dict(sums) != manifest.sums:
            raise Malformed("the sums stated are not the sums of the rows")
    return number


def _check_bound(row: Row, facts: RecordFacts) -> None:
    if row.record not in facts.rows:
        raise Malformed("no record up to the cut commits to this row")
    found = root_from_inclusion(row.position, row.count, row.leaf, row.proof)
    if found != facts.rows[row.record]:
        raise Malformed("the row is not the one that its record commits to")


def _check_content(
    row: Row, chain: ChainCheck, sums: Counter[str], findings: Findings, where: str
) -> None:
    if row.value["type"] != POSTING_TYPE:
        raise Malformed(f"a row of type {row.value['type'][:40]!r} is not part of this format")
    posting = read_posting(row.value)
    for leg in posting.legs:
        sums[leg.asset] += leg.units
    with findings.guard("CHAIN", where):
        chain.check(posting)

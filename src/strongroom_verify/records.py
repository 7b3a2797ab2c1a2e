"""The log's records in a bundle: each in the signed tree, none of the organisation's missing."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from strongroom_verify.canonical import parse, serialise
from strongroom_verify.errors import Malformed
from strongroom_verify.fields import Fields, unhex
from strongroom_verify.findings import Findings
from strongroom_verify.manifest import Manifest
from strongroom_verify.merkle import leaf_hash, root_from_inclusion
from strongroom_verify.note import Checkpoint

RECORD_TYPE = "strongroom.record/1"
REQUESTED, BUILT = "exports.requested", "exports.built"
CLOCK_SKEW = timedelta(seconds=5)  # the writer's and the sequencer's clocks are two machines' own
_LEAF = "index organisation organisation_index record_hash sequenced_at"
_RECORD = "type organisation actor request_id at action subject body rows_root"


@dataclass(frozen=True)
class Record:
    """One record with its place in the log."""

    index: int
    organisation_index: int
    sequenced_at: datetime
    at: datetime
    action: str
    subject: str
    body: Any
    rows_root: bytes | None
    proof: tuple[bytes, ...]
    leaf: bytes


@dataclass
class RecordFacts:
    """What the other checks need of the records, in memory: rows_root of those with rows."""

    rows: dict[int, bytes] = field(default_factory=dict)
    count: int = 0
    first_time: datetime | None = None
    last: Record | None = None
    cut_time: datetime | None = None


def read_record(line: bytes, manifest: Manifest) -> Record:
    """One line of records.jsonl. Raises Malformed."""
    top = Fields(parse(line), "leaf proof record")
    leaf = Fields(top.any("leaf"), _LEAF, "leaf")
    record = Fields(top.any("record"), _RECORD, "record")
    if record.text("type") != RECORD_TYPE:
        raise Malformed(f"the record's type is not {RECORD_TYPE}")
    Fields(record.any("actor"), "kind id version", "record.actor")
    if {leaf.text("organisation"), record.text("organisation")} != {manifest.organisation}:
        raise Malformed("the record belongs to another organisation")
    if hashlib.sha256(serialise(top.any("record"))).digest() != leaf.hex("record_hash", 32):
        raise Malformed("the record does not have the hash that its leaf names")
    root = record.any("rows_root")
    return Record(
        leaf.integer("index"),
        leaf.integer("organisation_index"),
        leaf.time("sequenced_at"),
        record.time("at"),
        record.text("action"),
        record.text("subject"),
        record.any("body"),
        None if root is None else unhex(root, "record.rows_root", 32),
        tuple(top.hexes("proof", 32)),
        leaf_hash(serialise(top.any("leaf"))),
    )


def check_records(
    lines: Iterable[bytes], manifest: Manifest, checkpoint: Checkpoint, findings: Findings
) -> RecordFacts:
    """INTEGRITY, COMPLETENESS and TIME of all records; stops at a record that is not in the log."""
    facts = RecordFacts()
    number = 0
    with findings.guard("INTEGRITY", "records.jsonl"):
        for number, line in enumerate(lines, start=1):
            where = f"records.jsonl line {number}"
            with findings.guard("INTEGRITY", where):
                record = read_record(line, manifest)
                _check_inclusion(record, checkpoint)
                _check_order(record, facts, manifest, findings, where)
                _remember(record, facts, manifest)
            if findings.failed("INTEGRITY"):
                return facts
    _check_last(facts, manifest, findings, f"records.jsonl line {max(number, 1)}")
    return facts


def check_manifest_bound(facts: RecordFacts, raw: bytes, findings: Findings) -> None:
    """The export's last record names the hash of the manifest that the bundle carries."""
    with findings.guard("INTEGRITY", "manifest.json"):
        if facts.last is None or facts.last.action != BUILT:
            return
        body = Fields(facts.last.body, "manifest_sha256", "body")
        if body.hex("manifest_sha256", 32) != hashlib.sha256(raw).digest():
            raise Malformed("the manifest is not the one that the export's record names")


def _check_inclusion(record: Record, checkpoint: Checkpoint) -> None:
    found = root_from_inclusion(record.index, checkpoint.size, record.leaf, record.proof)
    if found != checkpoint.root:
        raise Malformed(
            f"record {record.organisation_index} of the organisation is not in the signed log"
        )


def _check_order(
    record: Record, facts: RecordFacts, manifest: Manifest, findings: Findings, where: str
) -> None:
    """Gap-free places, rising log indexes, times that do not run backwards."""
    with findings.guard("COMPLETENESS", where):
        if record.organisation_index != facts.count:
            raise Malformed(
                f"record {facts.count} of the organisation should stand here, not record "
                f"{record.organisation_index}: one is missing, doubled or out of order"
            )
        if record.organisation_index == manifest.cut and (
            (record.action, record.subject) != (REQUESTED, manifest.export)
        ):
            raise Malformed("the cut is not the record that asked for this export")
    last = facts.last
    with findings.guard("INTEGRITY", where):
        if last is not None and record.index <= last.index:
            raise Malformed("the places in the log do not rise with the organisation's count")
    with findings.guard("TIME", where):
        if last is not None and record.sequenced_at < last.sequenced_at:
            raise Malformed("the record was given its place before the one that precedes it")
        if record.at > record.sequenced_at + CLOCK_SKEW:
            raise Malformed("the record says it was made after the log took it in")


def _remember(record: Record, facts: RecordFacts, manifest: Manifest) -> None:
    if record.rows_root is not None and record.organisation_index <= manifest.cut:
        facts.rows[record.organisation_index] = record.rows_root
    if record.organisation_index == manifest.cut:
        facts.cut_time = record.sequenced_at
    facts.first_time = facts.first_time or record.sequenced_at
    facts.last = record
    facts.count += 1


def _check_last(facts: RecordFacts, manifest: Manifest, findings: Findings, where: str) -> None:
    """The tail: the export ends with its own record, so nothing before it can be cut off."""
    with findings.guard("COMPLETENESS", where):
        last = facts.last
        if last is None or (last.action, last.subject) != (BUILT, manifest.export):
            raise Malformed("the last record is not this export's own: the tail is missing")
        if manifest.cut >= last.organisation_index:
            raise Malformed("the cut does not lie before the export's own record")

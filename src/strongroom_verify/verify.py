"""The verifier's one public verb: a bundle in, four outcomes out. It never writes and never asks
the network.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom_verify.archive import Archive
from strongroom_verify.blocks import read_proofs
from strongroom_verify.chain import LEVELS, ChainCheck
from strongroom_verify.errors import Malformed
from strongroom_verify.findings import Findings, Outcome
from strongroom_verify.manifest import Manifest, read_manifest
from strongroom_verify.note import Checkpoint, check_signature
from strongroom_verify.note import parse as parse_note
from strongroom_verify.records import RecordFacts, check_manifest_bound, check_records
from strongroom_verify.rows import check_rows


@dataclass
class Report:
    """The outcomes and, for people, what the bundle is about."""

    outcomes: list[Outcome]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Nothing failed, and the log's key was one that the caller gave."""
        states = {outcome.check: outcome.state for outcome in self.outcomes}
        return "FAIL" not in states.values() and states["INTEGRITY"] == "PASS"


def verify(path: Path, log_key: bytes | None) -> Report:
    """Check a bundle. `log_key`: the log's Ed25519 public key, got from elsewhere than the bundle.

    Raises OSError when the file cannot be read; everything else ends in the report.
    """
    findings = Findings()
    facts: dict[str, Any] = {}
    try:
        archive = Archive.open(path)
    except Malformed as error:
        findings.fail("INTEGRITY", "the archive", str(error))
        return Report(findings.outcomes(), facts)
    try:
        _verify(archive, log_key, findings, facts)
        if damaged := archive.damaged():
            findings.fail("INTEGRITY", damaged, "the checksum in the archive does not fit")
    finally:
        archive.close()
    return Report(findings.outcomes(), facts)


def _verify(
    archive: Archive, log_key: bytes | None, findings: Findings, facts: dict[str, Any]
) -> None:
    manifest = _read_manifest(archive, findings)
    checkpoint = _read_checkpoint(archive, findings)
    if manifest is None or checkpoint is None:
        return
    facts.update(_describe(manifest, checkpoint))
    with findings.guard("INTEGRITY", "checkpoint.txt"):
        if manifest.origin != checkpoint.origin:
            raise Malformed("the checkpoint is of another log than the manifest names")
        if log_key is not None:
            check_signature(checkpoint, log_key)
    records = check_records(archive.lines("records.jsonl"), manifest, checkpoint, findings)
    if not findings.failed("INTEGRITY"):
        check_manifest_bound(records, archive.read("manifest.json"), findings)
        _verify_rows(archive, manifest, records, findings, facts)
    if not findings.failed("INTEGRITY"):
        _close(records, checkpoint, log_key, findings, facts)


def _verify_rows(
    archive: Archive,
    manifest: Manifest,
    records: RecordFacts,
    findings: Findings,
    facts: dict[str, Any],
) -> None:
    proofs = read_proofs(archive.lines("blocks.jsonl"), archive.lines("receipts.jsonl"), findings)
    chain = ChainCheck(proofs, manifest.tokens)
    rows = check_rows(archive.lines("rows.jsonl"), records, manifest, chain, findings)
    _check_files(archive, manifest, findings)
    facts["records"], facts["rows"] = records.count, rows
    facts["rows_on_chain"] = dict(chain.levels)
    heights = sorted((chain_id, header.height) for (chain_id, _), header in proofs.headers.items())
    facts["blocks"] = [list(pair) for pair in dict.fromkeys(heights[:1] + heights[-1:])]


def _check_files(archive: Archive, manifest: Manifest, findings: Findings) -> None:
    """Each row file has the hash and the number of lines that the manifest states."""
    for name, stated in manifest.files.items():
        # A line that already failed CHAIN says more than the name of its file.
        where = findings.place("CHAIN", name)
        with findings.guard("INTEGRITY", where):
            digest, lines = hashlib.sha256(), 0
            for chunk in archive.chunks(name):
                digest.update(chunk)
                lines += chunk.count(b"\n")
            if digest.digest() != stated.sha256 or lines != stated.lines:
                raise Malformed(f"{name} is not the file that the manifest names")


def _close(
    records: RecordFacts,
    checkpoint: Checkpoint,
    log_key: bytes | None,
    findings: Findings,
    facts: dict[str, Any],
) -> None:
    """The sentences of the checks that held."""
    count, rows = facts["records"], facts["rows"]
    held = f"{count} records and {rows} rows are in the log signed at size {checkpoint.size}"
    if log_key is None:
        named = checkpoint.key_hash.hex()
        findings.close(
            "INTEGRITY",
            "NOT CHECKED",
            f"{held}, but by whom? Give --log-key, from the custodian's publication and not from "
            f"whoever sent the bundle (the checkpoint names the key {named})",
        )
    else:
        findings.close("INTEGRITY", "PASS", held)
    cut = f"{records.cut_time:%Y-%m-%d %H:%M:%S} UTC" if records.cut_time else "an unknown time"
    findings.close(
        "COMPLETENESS",
        "PASS",
        f"records 0 to {count - 1} without a gap, the last is this export's own; all rows up to "
        f"{cut}",
    )
    findings.close(
        "TIME",
        "PASS",
        "places and times are under the log's signature and never run backwards; an anchor of the "
        "checkpoint on chain is not part of this format",
    )
    levels = facts["rows_on_chain"]
    if not levels:
        findings.close("CHAIN", "NOT CHECKED", "no row of this export names a block")
        return
    told = ", ".join(f"{levels[name]} {LEVELS[name]}" for name in LEVELS if name in levels)
    findings.close(
        "CHAIN",
        "PASS",
        f"{sum(levels.values())} rows on chain: {told}; whether these blocks are the chain's own, "
        "any node tells by their hash",
    )


def _read_manifest(archive: Archive, findings: Findings) -> Manifest | None:
    with findings.guard("INTEGRITY", "manifest.json"):
        return read_manifest(archive.read("manifest.json"))
    return None


def _read_checkpoint(archive: Archive, findings: Findings) -> Checkpoint | None:
    with findings.guard("INTEGRITY", "checkpoint.txt"):
        return parse_note(archive.read("checkpoint.txt"))
    return None


def _describe(manifest: Manifest, checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "export": manifest.export,
        "organisation": manifest.organisation,
        "created_at": manifest.created_at,
        "log": {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": "0x" + checkpoint.root.hex(),
        },
        "tokens": {asset: "0x" + contract.hex() for asset, contract in manifest.tokens.items()},
    }

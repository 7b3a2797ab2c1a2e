"""transcript.jsonl in the signer's folder: every act of a ceremony, hash-chained, signed off by
officers. The signer's next start journals its head, so that each checkpoint covers it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strongroom_protocol.canonical import parse_json
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.quorum import check_quorum
from strongroom_protocol.signatures import Signature
from strongroom_protocol.transcript import (
    FIRST,
    CeremonyTranscript,
    head_of,
    line_bytes,
    read_transcript,
)
from strongroom_signer.clock import Clock
from strongroom_signer.errors import Unfit
from strongroom_signer.journal.store import Journal
from strongroom_signer.sealed import SealedConfig

FILE = "transcript.jsonl"
# Run again they change nothing, so they are told once.
LOOKS_FIRST = frozenset({"init", "account"})


def acts_in(folder: Path) -> list[dict[str, Any]]:
    """The acts so far, oldest first. Raises Unfit when the file was changed."""
    path = folder / FILE
    try:
        return read_transcript(path.read_bytes()) if path.exists() else []
    except ProtocolError as error:
        raise Unfit(f"{path}: {error}. Bring back the copy that the officers keep") from None


def write_act(folder: Path, clock: Clock, act: str, facts: dict[str, Any]) -> None:
    """Append an act, synced."""
    acts = acts_in(folder)
    if act in LOOKS_FIRST and any((one["act"], one["facts"]) == (act, facts) for one in acts):
        return
    line = line_bytes(acts, clock.now(), act, facts)
    descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(line + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def journal_head(folder: Path, journal: Journal) -> None:
    """A receipt of the transcript's head, if it grew. Raises Unfit when it lost what an earlier
    receipt covers.
    """
    acts = acts_in(folder)
    row = journal.one(
        "SELECT body FROM receipt WHERE body LIKE ? ORDER BY seq DESC LIMIT 1", '%"op":"ceremony"%'
    )
    known = parse_json(row[0].encode()) if row is not None else {}
    lines: int = known.get("lines", 0)
    if lines > len(acts) or to_hex(head_of(acts[:lines])) != known.get("head", to_hex(FIRST)):
        raise Unfit(
            f"{folder / FILE} is not the transcript that was journalled: bring back the copy that "
            "the officers keep"
        )
    if len(acts) > lines:
        facts = {"lines": len(acts), "head": to_hex(head_of(acts))}
        with journal.unit():
            journal.receipt({"op": "ceremony", "outcome": "recorded", **facts})


def statement(folder: Path) -> CeremonyTranscript:
    """What officers sign for the transcript as it stands. Raises Unfit."""
    acts = acts_in(folder)
    if not acts:
        raise Unfit("there is no transcript yet: nothing was done here")
    return CeremonyTranscript(head_of(acts), len(acts))


def sign_off(
    folder: Path, clock: Clock, config: SealedConfig, signatures: Sequence[Signature]
) -> CeremonyTranscript:
    """Append the officers' signatures over the head. Raises BundleRefused (too few), Unfit."""
    signed = statement(folder)
    officers = frozenset(config.officers)
    check_quorum(signed.digest(config.chain_id), signatures, officers, config.officer_quorum)
    facts = {"head": to_hex(signed.head), "lines": signed.lines}
    names = [to_hex(signature.to_bytes()) for signature in signatures]
    write_act(folder, clock, "sign-off", {**facts, "signatures": names})
    return signed

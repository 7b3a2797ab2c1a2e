"""The ceremony's transcript: one canonical JSON line an act, each naming the hash of the line
before. Nothing in it is secret. Officers sign its head.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from strongroom_protocol.addresses import parse_address
from strongroom_protocol.canonical import canonical_bytes, parse_json
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.intents import Intent
from strongroom_protocol.quorum import check_quorum
from strongroom_protocol.signatures import Signature

FIRST = bytes(32)
BYTES_MAX = 16 * 2**20


class TranscriptBroken(ProtocolError):
    """A line was changed, taken out or put in."""

    code = "transcript.broken"


@dataclass(frozen=True)
class CeremonyTranscript(Intent):
    """What custody officers sign: everything up to line number `lines`, whose hash is `head`."""

    TYPE: ClassVar[str] = "CeremonyTranscript(bytes32 head,uint32 lines)"
    head: bytes
    lines: int


def line_bytes(acts: Sequence[dict[str, Any]], at: int, act: str, facts: dict[str, Any]) -> bytes:
    """The next line after `acts`, without its newline; `at` in Unix seconds."""
    head = head_of(acts).hex()
    return canonical_bytes(
        {"seq": len(acts) + 1, "at": at, "act": act, "facts": facts, "previous": head}
    )


def head_of(acts: Sequence[dict[str, Any]]) -> bytes:
    """SHA-256 of the last line; 32 zero bytes before the first."""
    return hashlib.sha256(canonical_bytes(acts[-1])).digest() if acts else FIRST


def signed_lines(acts: Sequence[dict[str, Any]]) -> int:
    """How many lines the officers named by `init` have signed; 0 when none. Raises
    TranscriptBroken, BundleRefused, SignatureInvalid for a sign-off that is none.
    """
    signed = 0
    for number, act in enumerate(acts):
        if act["act"] == "sign-off":
            try:
                _check_sign_off(acts[:number], act["facts"])
            except (KeyError, TypeError, StopIteration):
                raise TranscriptBroken(f"line {number + 1} is no sign-off") from None
            signed = number
    return signed


def _check_sign_off(acts: Sequence[dict[str, Any]], facts: dict[str, Any]) -> None:
    statement = CeremonyTranscript(head_of(acts), len(acts))
    if (facts["head"], facts["lines"]) != (to_hex(statement.head), statement.lines):
        raise TranscriptBroken(f"line {len(acts) + 1} signs something else than the lines above")
    founding = next(act["facts"] for act in acts if act["act"] == "init")
    officers = frozenset(parse_address(text) for text in founding["officers"])
    signatures = [Signature.parse(from_hex(text, 65)) for text in facts["signatures"]]
    digest = statement.digest(founding["chain_id"])
    check_quorum(digest, signatures, officers, founding["officer_quorum"])


def read_transcript(text: bytes) -> list[dict[str, Any]]:
    """The acts in order. Raises TranscriptBroken, naming the first line that does not fit."""
    if len(text) > BYTES_MAX or (text and not text.endswith(b"\n")):
        raise TranscriptBroken("the transcript is too long or cut")
    acts: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            act = parse_json(line)
            again = line_bytes(acts, act["at"], act["act"], act["facts"])
        except (ProtocolError, TypeError, KeyError):
            act, again = {}, b""
        if again != line:
            raise TranscriptBroken(f"line {number} of the transcript does not fit the one before")
        acts.append(act)
    return acts
